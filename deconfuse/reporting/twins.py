"""Twins: diagnosed encoders that are alike but for one of the things that are called deconvolution, and how far apart they are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from deconfuse.reporting.diagnosis import Stack, course
from deconfuse.reporting.differences import LEVEL, welch, welch_p
from deconfuse.reporting.significance import holm

TRANSPOSED, DECORRELATED = "transposed_conv", "network_deconvolution"


@dataclass(frozen=True)
class Gap:
    """A difference of means over seeds."""

    value: float
    half: float | None
    """Half of its 95 % interval over seeds; None where one of the two has a single seed."""
    p: float | None
    """By Welch's t, corrected by Holm for all pairs."""

    @property
    def shown(self) -> bool:
        return self.half is not None and self.p is not None and abs(self.value) > self.half and self.p < LEVEL


@dataclass(frozen=True)
class Twins:
    """Two encoders."""

    one: Stack
    """With the kind."""
    other: Stack
    """Without it."""
    kind: str
    flow: Gap
    """Of log10 of the share of the last layer's gradient that reaches the first, means over epochs."""
    loss: Gap
    """Of the training loss, means over epochs."""

    def __str__(self) -> str:
        return f"{self.one.name} and {self.other.name}"


def twins(stacks: list[Stack]) -> list[Twins]:
    """Each encoder with transposed convolutions beside the one that has convolutions in their place, layer by layer of as many weights and
    the same stride; each with network deconvolution beside those that have no normalisation, or batch norm, in its place."""
    pairs = [
        (one, other, kind)
        for one in stacks
        for kind, is_alike in ((TRANSPOSED, but_for_transposed), (DECORRELATED, but_for_norm))
        if kind in one.kinds
        for other in sorted(stacks, key=lambda stack: stack.name)
        if not other.kinds & {TRANSPOSED, DECORRELATED} and about(one) == about(other) and is_alike(one, other)
    ]
    flows = gaps(pairs, lambda stack: course(stack.ratio))
    losses = gaps(pairs, lambda stack: stack.loss)
    made = [Twins(*pair, flow, loss) for pair, flow, loss in zip(pairs, flows, losses, strict=True)]
    # where the gradient is weakest first
    return sorted(made, key=lambda pair: float(course(pair.other.ratio).mean()))


def gaps(pairs: list[tuple[Stack, Stack, str]], value: Callable[[Stack], Float[np.ndarray, " S"]]) -> list[Gap]:
    """How far apart the two of each pair are in a value that each seed has."""
    values = [(value(one), value(other)) for one, other, _ in pairs]
    found = [welch_p(*both) for both in values]
    adjusted = iter(holm([p for p in found if p is not None]))
    return [
        Gap(float(one.mean() - other.mean()), welch(one, other), None if p is None else next(adjusted))
        for (one, other), p in zip(values, found, strict=True)
    ]


def about(stack: Stack) -> dict[str, Any]:
    """All of a model's params that are not of this encoder; other luck is no other model."""
    entry, train = dict(stack.result.run["params"]["model"]), dict(stack.result.run["params"]["train"])
    train.pop("seeds", None)
    others = {modality: encoder for modality, encoder in entry.pop("encoders").items() if modality != stack.part}
    return {"entry": entry, "others": others, "train": train, "part": stack.part}


def but_for_transposed(one: Stack, other: Stack) -> bool:
    """Whether the layers have the same names, numbers of weights, strides and, but for transposed convolutions, kinds."""
    mine, others = (stack.layers.assign(kind=stack.layers["kind"].replace(TRANSPOSED, "conv")) for stack in (one, other))
    return mine.equals(others)


def but_for_norm(one: Stack, other: Stack) -> bool:
    """Whether the params of the encoders are the same but for `norm`."""
    mine, others = (dict(stack.result.run["params"]["model"]["encoders"][stack.part]) for stack in (one, other))
    return mine.pop("norm", None) != others.pop("norm", None) and mine == others
