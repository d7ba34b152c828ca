"""The answer in two sentences, and the paired bootstrap behind it."""

from dataclasses import dataclass

import numpy as np

from deconfuse.reporting.results import Result
from deconfuse.reporting.words import joined


@dataclass(frozen=True)
class Difference:
    """How much larger one model's main figure is than another's, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def shown(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low > 0 or self.high < 0


def difference(right: np.ndarray, other: np.ndarray, resamples: int, seed: int) -> Difference:
    """Paired percentile bootstrap over test rows of `right` minus `other`, both bool (N,) over the same rows (Efron 1979).

    A row counts -1, 0 or 1, so a resample of N rows is fully told by how many of each it holds: one multinomial draw
    replaces N draws of rows, with the same distribution.
    """
    gain = right.astype(int) - other.astype(int)
    shares = np.array([np.mean(gain == value) for value in (-1, 0, 1)])
    draws = np.random.default_rng(seed).multinomial(len(gain), shares, size=resamples)
    low, high = np.quantile((draws[:, 2] - draws[:, 0]) / len(gain), [0.025, 0.975])
    return Difference(float(gain.mean()), float(low), float(high))


def compared(result: Result, other: Result, resamples: int, seed: int) -> Difference:
    """The main figure of `result` minus that of `other`, with a paired bootstrap over the test rows."""
    if result.measure.key == "accuracy":
        return difference(result.right, other.right, resamples, seed)
    draws = result.measure.differences(result.terms, other.terms, resamples, seed)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Difference(result.value - other.value, float(low), float(high))


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
    return f"The best single modality is {single.modalities[0]}: {measured} (95 % interval {interval(single)})."


def about_fusion(fusion: Result | None, single: Result | None, resamples: int, seed: int) -> str:
    """The second sentence."""
    if fusion is None:
        return "No fusion is in the line-up: name two or more encoders and a fusion in an entry of `models:` to learn whether it helps."
    who = fusion.name if fusion.name == fusion.fusion else f"{fusion.name} ({fusion.fusion})"
    what = f"{who} of {joined(fusion.modalities)}, {achieved(fusion)}"
    if single is None:
        return f"The best fusion, {what} (95 % interval {interval(fusion)})."
    found = compared(fusion, single, resamples, seed)
    measure = fusion.measure
    amount = f"{measure.amount(abs(found.value))} {'less' if found.value < 0 else 'more'}"
    how = f"{amount} than {single.modalities[0]} alone (95 % interval {measure.gains(found.low, found.high)})"
    if not found.shown:
        return f"That fusion helps is not shown: the best one, {what}, {how}."
    return f"Fusion {'does not help here' if measure.order(found.value) > 0 else 'helps'}: the best one, {what}, {how}."


def achieved(result: Result) -> str:
    if result.measure.key == "accuracy":
        return f"is right on {result.measure.show(result.value)}"
    return f"has {result.measure.name} {result.measure.show(result.value)}"


def interval(result: Result) -> str:
    """The interval of a model's main figure, without its unit."""
    return result.measure.span(*result.bounds)
