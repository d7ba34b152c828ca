"""The answer in two sentences, and the paired bootstrap behind it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from deconfuse.reporting.results import Result
from deconfuse.reporting.words import joined


@dataclass(frozen=True)
class Difference:
    """How much larger one model's main figure is than another's, with its 95 % interval over test rows."""

    value: float
    low: float
    high: float
    half: float | None = None
    """Half of its 95 % interval over seeds; None where one of the models has a single seed."""

    @property
    def shown(self) -> bool:
        """Whether the intervals leave 0 out."""
        return (self.low > 0 or self.high < 0) and (self.half is None or abs(self.value) > self.half)


def difference(right: np.ndarray, other: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """95 % paired percentile bootstrap over test rows of `right` minus `other`, both (N,) in 0..1 over the same rows (Efron 1979).

    Only few gains occur (with one seed each, -1, 0 and 1), so a resample of N rows is fully told by how many of each it holds: one
    multinomial draw replaces N draws of rows, with the same distribution.
    """
    gains, counts = np.unique(right - other, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(len(right), counts / len(right), size=resamples)
    low, high = np.quantile(draws @ gains / len(right), [0.025, 0.975])
    return float(low), float(high)


def welch(one: list[float], other: list[float]) -> float | None:
    """Half of the 95 % interval over seeds of a difference of means, whose spreads may differ (Welch 1947); None of a single seed."""
    if min(len(one), len(other)) < 2:
        return None
    parts = [(np.var(values, ddof=1) / len(values), len(values) - 1) for values in (one, other)]
    spread = sum(part for part, _ in parts)
    if spread == 0:
        return 0.0
    return float(stdtrit(spread**2 / sum(part**2 / free for part, free in parts), 0.975) * np.sqrt(spread))


def compared(result: Result, other: Result, resamples: int, seed: int) -> Difference:
    """The main figure of `result` minus that of `other`, with a paired bootstrap over the test rows, and Welch's interval over seeds."""
    if result.measure.key == "accuracy":
        low, high = difference(result.terms[..., 1].mean(0), other.terms[..., 1].mean(0), resamples, seed)
    else:
        low, high = np.quantile(result.measure.differences(result.terms, other.terms, resamples, seed), [0.025, 0.975])
    return Difference(result.value - other.value, float(low), float(high), welch(result.values, other.values))


def answer(results: list[Result], resamples: int, seed: int) -> tuple[str, str]:
    """The best single modality, and what the best fusion adds to it; `results` are best first."""
    single = next((result for result in results if result.single), None)
    fusion = next((result for result in results if not result.single), None)
    return about_single(single), about_fusion(fusion, single, resamples, seed)


def about_single(single: Result | None) -> str:
    """The first sentence."""
    if single is None:
        return "No model of one modality alone is in the line-up, so what fusion adds cannot be said."
    measured = f"{single.name} {achieved(single)} {'of' if single.measure.key == 'accuracy' else 'on'} the {single.test['n']:,} test rows"
    within = f"95 % interval {interval(single)}{seeds(single, single.seeds_half)}"
    return f"The best single modality is {single.modalities[0]}: {measured} ({within})."


def about_fusion(fusion: Result | None, single: Result | None, resamples: int, seed: int) -> str:
    """The second sentence."""
    if fusion is None:
        return "No fusion is in the line-up: name two or more encoders and a fusion in an entry of `models:` to learn whether it helps."
    who = fusion.name if fusion.name == fusion.fusion else f"{fusion.name} ({fusion.fusion})"
    what = f"{who} of {joined(fusion.modalities)}, {achieved(fusion)}"
    if single is None:
        return f"The best fusion, {what} (95 % interval {interval(fusion)}{seeds(fusion, fusion.seeds_half)})."
    found = compared(fusion, single, resamples, seed)
    measure = fusion.measure
    amount = f"{measure.amount(abs(found.value))} {'less' if found.value < 0 else 'more'}"
    how = f"{amount} than {single.modalities[0]} alone (95 % interval {measure.gains(found.low, found.high)}{seeds(fusion, found.half)})"
    if not found.shown:
        return f"That fusion helps is not shown: the best one, {what}, {how}."
    return f"Fusion {'does not help here' if measure.order(found.value) > 0 else 'helps'}: the best one, {what}, {how}."


def achieved(result: Result) -> str:
    if result.measure.key == "accuracy":
        return f"is right on {result.measure.show(result.value)}"
    return f"has {result.measure.name} {result.measure.show(result.value)}"


def interval(result: Result) -> str:
    """The interval of a model's main figure over test rows, without its unit."""
    return result.measure.span(*result.bounds)


def seeds(result: Result, half: float | None) -> str:
    """What follows an interval over test rows where there is one over seeds."""
    return "" if half is None else f" over test rows, {result.measure.within(half)} over seeds"


def against(results: list[Result], resamples: int, seed: int) -> dict[str, Any]:
    """The best single modality's model, and by name the difference of every other model from it (empty without one)."""
    best = next((result for result in results if result.single), None)
    if best is None:
        return {"best": None, "differences": {}}
    return {"best": best, "differences": {result.name: compared(result, best, resamples, seed) for result in results if result is not best}}
