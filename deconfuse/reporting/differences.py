"""How far apart two models are on the same rows, and how sure that is.

Axes: S seeds, N rows, F sums.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import stdtr, stdtrit

from deconfuse.reporting.measures import Measure
from deconfuse.reporting.significance import flipped, mcnemar, swapped

LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """How much larger one model's main figure is than another's, with its 95 % interval over test rows."""

    value: float
    low: float
    high: float
    half: float | None
    """Half of its 95 % interval over seeds; None where one of the models has a single seed."""
    p: float
    """Two-sided, of no difference."""
    test: str
    """What gave p."""

    @property
    def shown(self) -> bool:
        """Whether the intervals leave 0 out."""
        return (self.low > 0 or self.high < 0) and (self.half is None or abs(self.value) > self.half)


def compared(
    measure: Measure,
    one: Float[np.ndarray, "S N F"],
    other: Float[np.ndarray, "S2 N F"],
    resamples: int,
    seed: int,
    is_fixed: bool = False,
) -> Difference:
    """The main figure of `one` minus that of `other`, of the terms that the same rows add to its sums.

    Over rows: paired percentile bootstrap (Efron 1979). Over seeds: Welch's t interval. p is McNemar's exact one where both have one
    seed and rows are right or wrong, else that of a paired permutation test of the means over seeds.

    Args:
        is_fixed: whether `other` has no luck of training, so that its one training tells all.
    """
    values = [measure.figure(terms.sum(1)) for terms in (one, other)]
    half = alone(values[0]) if is_fixed else welch(*values)
    if measure.key == "accuracy":
        gains = one[..., 1].mean(0) - other[..., 1].mean(0)
        low, high = bootstrapped(gains, resamples, seed)
        if len(one) == len(other) == 1:
            p, test = mcnemar(int((gains > 0).sum()), int((gains < 0).sum())), "McNemar, exact"
        else:
            p, test = flipped(gains, seed), "paired permutation"
    else:
        low, high = np.quantile(measure.differences(one, other, resamples, seed), [0.025, 0.975])
        p, test = swapped(one.mean(0), other.mean(0), measure.figure, seed), "paired permutation"
    return Difference(float(values[0].mean() - values[1].mean()), float(low), float(high), half, p, test)


def bootstrapped(gains: Float[np.ndarray, " N"], resamples: int, seed: int) -> tuple[float, float]:
    """95 % paired percentile bootstrap over rows of the mean of paired gains (Efron 1979).

    Only few gains occur (with one seed each, -1, 0 and 1), so a resample of N rows is fully told by how many of each it holds: one
    multinomial draw replaces N draws of rows, with the same distribution.
    """
    # thirds and the like, as sums of their parts, would differ in the last digit
    sizes, counts = np.unique(np.round(gains, 12), return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(gains), counts / len(gains), size=resamples)
    low, high = np.quantile(draws @ sizes / len(gains), [0.025, 0.975])
    return float(low), float(high)


def welch(one: Float[np.ndarray, " S"], other: Float[np.ndarray, " S2"]) -> float | None:
    """Half of the 95 % interval over seeds of a difference of means, whose spreads may differ (Welch 1947); None of a single seed."""
    if min(len(one), len(other)) < 2:
        return None
    error, free = luck(one, other)
    return 0.0 if error == 0 else float(stdtrit(free, 1 - LEVEL / 2) * error)


def welch_p(one: Float[np.ndarray, " S"], other: Float[np.ndarray, " S2"]) -> float | None:
    """Two-sided p of the same difference; None of a single seed."""
    if min(len(one), len(other)) < 2:
        return None
    error, free = luck(one, other)
    gap = abs(float(np.mean(one) - np.mean(other)))
    return (1.0 if gap == 0 else 0.0) if error == 0 else float(2 * stdtr(free, -gap / error))


def luck(one: Float[np.ndarray, " S"], other: Float[np.ndarray, " S2"]) -> tuple[float, float]:
    """Standard error of a difference of means of two or more values each, and its degrees of freedom (Welch 1947)."""
    parts = [(np.var(values, ddof=1) / len(values), len(values) - 1) for values in (one, other)]
    spread = sum(part for part, _ in parts)
    return float(np.sqrt(spread)), 0.0 if spread == 0 else float(spread**2 / sum(part**2 / free for part, free in parts))


def alone(values: Float[np.ndarray, " S"]) -> float | None:
    """The same of a mean against a number that is sure (Student 1908)."""
    if len(values) < 2:
        return None
    return float(stdtrit(len(values) - 1, 1 - LEVEL / 2) * np.std(values, ddof=1) / np.sqrt(len(values)))
