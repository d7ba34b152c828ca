"""Whether maps depend on what they claim to explain.

Maps are compared as they are drawn, with their signs, by rank correlation over the cells of a modality that a sample has, less those that
are 0 in both. Magnitudes would not do: those of integrated gradients follow the input whatever the weights are (Adebayo et al. 2018).
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from deconfuse.explain._likeness import spearman
from deconfuse.metrics import half_width

ALIKE = 0.5
"""Rank correlation from which on two maps count as alike."""
ERROR = 0.05
"""Of all cells' sum, relative to what it should be."""


class Check(NamedTuple):
    """How a method fared, with the 95 % t interval over samples; None where too few samples have a value."""

    modality: str
    """`all` where it is checked for all together."""
    method: str
    check: str
    value: float | None
    low: float | None
    high: float | None
    limit: float
    verdict: str
    """`passes` where the value is shown to be below the limit, `fails` where it is shown not to be, else `not shown`."""
    n: int
    """Samples that have a value."""


def checked(modality: str, method: str, check: str, values: Float[np.ndarray, " B"], limit: float) -> Check:
    """A check of the mean of the samples' values, NaN where a sample has none."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return Check(modality, method, check, None, None, None, limit, "not shown", len(known))
    mean, within = float(known.mean()), half_width(known)
    verdict = "passes" if mean + within < limit else "fails" if mean - within >= limit else "not shown"
    value, low, high = (float(f"{number:.4g}") for number in (mean, mean - within, mean + within))
    return Check(modality, method, check, value, low, high, limit, verdict, len(known))


def likeness(one: Float[Tensor, "B ..."], other: Float[Tensor, "B ..."], valid: Bool[Tensor, "B ..."]) -> Float[np.ndarray, " B"]:
    """Of each sample the rank correlation of two maps; NaN where one of them is the same everywhere."""
    kept = valid & ((one != 0) | (other != 0))
    cells = zip(*(x.cpu().numpy() for x in (one, other, kept)), strict=True)
    return np.array([spearman(a[here], b[here]) if here.sum() > 1 else np.nan for a, b, here in cells])
