"""How many samples a model can be asked at a time, by what each of them takes."""

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from deconfuse.model.observing import Observing

BATCH = 512
ROOM = 2**28
"""Bytes that the largest value may take, of those that a batch passes through; beside it there are two or three of its size."""
KEPT = 2**30
"""Bytes that all values may take together, where they are kept for the gradient."""
known: "WeakKeyDictionary[nn.Module, Taken]" = WeakKeyDictionary()


def at_once(model: nn.Module, data: Any) -> int:
    """How many samples a model in evaluation is asked at a time: at most 512, fewer where their maps are large."""
    return min(BATCH, max(1, ROOM // taken(model, data).largest))


def differentiated_at_once(model: nn.Module, data: Any) -> int:
    """How many samples a model in evaluation is asked at a time where gradients are wanted, so that all maps are kept."""
    return max(1, KEPT // taken(model, data).sum)


class Taken(NamedTuple):
    """What one more sample takes, in bytes."""

    largest: int
    """Its largest value, of those that it passes through."""
    sum: int
    """All of them."""


# in inference mode sizes would be noted before anything is cast
@torch.inference_mode(False)
@torch.no_grad()
def taken(model: nn.Module, data: Any) -> Taken:
    """What a model in evaluation takes for a sample more, found once and then known."""
    if model not in known:
        made = []
        for batch in data.batches([torch.zeros(samples, dtype=torch.long) for samples in (1, 2)]):
            with Made() as sizes:
                model(batch.inputs, batch.lengths, batch.present)
            made.append(sizes.bytes)
        # not the sizes themselves: they may be those of weights
        each = [two - one for one, two in zip(*made, strict=False)]
        known[model] = Taken(max(1, *each), max(1, sum(each)))
    return known[model]


class Made(Observing):
    """Sizes of the tensors that are made within a block, in bytes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self.bytes += [x.nbytes for x in tree_leaves(out) if isinstance(x, Tensor)]
        return out
