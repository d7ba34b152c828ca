"""torch's optimisers without what a small model's step waits for: hooks for its compiler, whose import alone takes 1.6 s of CPU before
the first step, hooks for its profiler and for users, and choices made anew at every step. The steps are the same to the bit.

The compiler's hooks change nothing where an optimiser is not itself compiled, and it is not: what is compiled here is a model.
"""

from inspect import unwrap
from typing import Any

import torch


def unhooked(step: Any) -> Any:
    """A step that torch leaves as it is: others it wraps in its profiler's and users' hooks, which nobody uses here."""
    step.hooked = True
    return step


class Lean(torch.optim.Optimizer):
    """What all optimisers have, free of the hooks."""

    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for group in self.param_groups:
            for value in group["params"]:
                value.grad = None


class SGD(Lean, torch.optim.SGD):
    """With momentum (Sutskever et al. 2013)."""

    step = unhooked(torch.no_grad()(unwrap(torch.optim.SGD.step)))


class Adam(Lean, torch.optim.Adam):
    """Kingma & Ba 2015; one kernel for a group of parameters, called without a detour."""

    @unhooked
    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            values, gradients, means, squares, greatest, steps = lists = [[] for _ in range(6)]
            self._init_group(group, *lists)
            if not values:
                continue
            torch._foreach_add_(steps, 1)
            kernel = torch._fused_adamw_ if group["decoupled_weight_decay"] else torch._fused_adam_
            beta1, beta2 = group["betas"]
            settings = {name: group[name] for name in ("lr", "weight_decay", "eps", "amsgrad", "maximize")}
            kernel(values, gradients, means, squares, greatest, steps, beta1=beta1, beta2=beta2, **settings)


class AdamW(Adam, torch.optim.AdamW):
    """Loshchilov & Hutter 2019."""
