"""torch's optimisers without their hooks for its compiler, whose import would cost each training 1.6 s of CPU before its first step.

The hooks change nothing where an optimiser is not itself compiled, and it is not: what is compiled here is a model.
"""

from inspect import unwrap

import torch


class Lean(torch.optim.Optimizer):
    """What all optimisers have, free of the hooks."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


class SGD(Lean, torch.optim.SGD):
    """With momentum (Sutskever et al. 2013)."""

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


class Adam(Lean, torch.optim.Adam):
    """Kingma & Ba 2015."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class AdamW(Lean, torch.optim.AdamW):
    """Loshchilov & Hutter 2019."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))
