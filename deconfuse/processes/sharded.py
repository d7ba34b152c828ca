"""Tensors of which each of several processes holds a part (FSDP2); where there is one process, or each holds all, nothing happens here."""

from typing import Any

import torch
from torch import Tensor


def is_sharded(value: Tensor) -> bool:
    # to ask for torch's own class would import it
    return hasattr(value, "full_tensor")


def whole(value: Any) -> Tensor:
    """All of a tensor; all processes must ask for it together."""
    return value.full_tensor() if is_sharded(value) else value


def local(value: Any) -> Tensor:
    """The part of a tensor that this process holds; the same memory."""
    return value.to_local() if is_sharded(value) else value


def placed(value: Tensor, like: Any) -> Tensor:
    """A whole tensor, which every process has, in the memory layout and on the processes of another one of its shape."""
    if not is_sharded(like):
        return torch.empty_like(like, requires_grad=False).copy_(value)
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)
