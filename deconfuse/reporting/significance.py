"""How likely so large a difference is where there is none: p values of paired tests, and Holm's correction."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import bdtr

PERMUTATIONS = 5000
AT_ONCE = 2_000_000
"""Rows swapped or not that are held at a time."""
ROUNDING = 1e-9
"""Statistics that differ by less, relative to the one observed, are equal."""


def mcnemar(gained: int, lost: int) -> float:
    """Exact two-sided p of so many rows that one model alone has right, and so many that the other alone has (McNemar 1947).

    Where both are equally good, each of these rows falls to either by a fair coin.
    """
    return min(1.0, 2 * float(bdtr(min(gained, lost), gained + lost, 0.5)))


def flipped(gains: Float[np.ndarray, " N"], seed: int) -> float:
    """Two-sided p of the mean of paired gains by a permutation test: each row's gain may as well have the other sign (Fisher 1935).

    Of gains of -1, 0 and 1 it is McNemar's test by draws; means over seeds have more sizes. Rows of one size need one binomial draw.
    """
    sizes, counts = np.unique(np.round(np.abs(gains), 12), return_counts=True)
    heads = np.random.default_rng(seed).binomial(counts, 0.5, (PERMUTATIONS, len(counts)))
    return drawn(gains.sum(), (2 * heads - counts) @ sizes)


def swapped(one: Float[np.ndarray, "N F"], other: Float[np.ndarray, "N F"], figure: Callable[[np.ndarray], np.ndarray], seed: int) -> float:
    """Two-sided p of the difference of a figure of sums by a permutation test: a row's terms may as well be the other model's.

    Args:
        one, other: what each row adds to the sums, for one model and the other.
        figure: from sums (..., F) to the figure (...).
    """
    draw, rows, more = np.random.default_rng(seed), len(one), other - one
    step = max(1, AT_ONCE // rows)
    sizes = [min(step, PERMUTATIONS - start) for start in range(0, PERMUTATIONS, step)]
    moved = np.concatenate([draw.integers(0, 2, (size, rows), np.int8).astype(float) @ more for size in sizes])
    return drawn(float(figure(one.sum(0)) - figure(other.sum(0))), figure(one.sum(0) + moved) - figure(other.sum(0) - moved))


def drawn(observed: float, draws: Float[np.ndarray, " R"]) -> float:
    """The share of draws as far from 0 as what was observed, which counts as one of them (Phipson & Smyth 2010): p is never 0."""
    as_far = np.abs(draws) >= abs(observed) * (1 - ROUNDING)
    return float((1 + as_far.sum()) / (1 + len(draws)))


def holm(values: list[float]) -> list[float]:
    """p values corrected so that among all of them together the risk of any false finding stays at the level (Holm 1979)."""
    order = np.argsort(values, kind="stable")
    scaled = np.array(values)[order] * np.arange(len(values), 0, -1)
    found = np.empty(len(values))
    found[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return found.tolist()
