"""A model too large for one GPU: its weights, gradients and moments spread over the processes (FSDP2, Zhao et al. 2023)."""

import warnings

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

SMALLEST = 100_000
"""Parameters of a block that is worth a message of its own."""


def shard(model: nn.Module, size: int, device: torch.device, smallest: int = SMALLEST) -> None:
    """Leave each process its part of every parameter; whole ones are there only while their block is at work.

    Args:
        model: the same in every process; on the CPU, since whole it need not fit the device, to which its parts and buffers go.
        size: number of processes.
        device: of this process.
        smallest: parameters from which on a block is gathered by itself.
    """
    # the model changes nothing in place
    warnings.filterwarnings("ignore", message="FSDP2-wrapped module .* returned a view")
    mesh = init_device_mesh(device.type, (size,))
    # channels last, as convolutions are faster, cannot be cut
    model.to(memory_format=torch.contiguous_format)
    for module in model.modules():
        if isinstance(module, nn.RNNBase):
            module.register_forward_pre_hook(renew)
    # gathered anew each time, the outermost part too: what was gathered before would not follow a change of weights between two calls
    parts = [fully_shard(part, mesh=mesh, reshard_after_forward=True) for part in [*reversed(blocks(model, smallest)), model]]
    for part in parts:
        # each process has its rows' share of one loss: the gradients are added, not averaged, and gloo can only add
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)
    for part in reversed(parts):
        # once here: what is first gathered in inference mode cannot be gathered for training
        part.unshard()
        part.reshard()


def blocks(model: nn.Module, smallest: int) -> list[nn.Module]:
    """The layers of stacks, and encoders; a stack's layers are called one by one, what else is in a module it may use by itself."""
    stacks = [module for module in model.modules() if isinstance(module, (nn.ModuleDict, nn.ModuleList, nn.Sequential))]
    layers = [layer for stack in stacks for layer in stack.children() if not isinstance(layer, (nn.ModuleDict, nn.ModuleList))]
    return [layer for layer in dict.fromkeys(layers) if sum(value.numel() for value in layer.parameters()) >= smallest]


def renew(module: nn.RNNBase, arguments: tuple) -> None:
    """A recurrent layer keeps a list of its weights, which is not told when they are gathered."""
    module._flat_weights = [module.get_parameter(name) for name in module._flat_weights_names]  # ty: ignore[invalid-argument-type]
