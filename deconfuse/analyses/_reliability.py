"""Bins of decisions by how sure they are, and how far their sureness is from how often they are right.

Axes: D decisions, B bins.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from deconfuse.analyses import Row
from deconfuse.metrics._bootstrap import SEED, grouped, resampled
from deconfuse.metrics._wilson import wilson


@dataclass(frozen=True)
class Bins:
    """Decisions, each in a bin."""

    confidence: Float[np.ndarray, " D"]
    place: Int[np.ndarray, " D"]
    """The bin of each."""
    number: int

    @property
    def sizes(self) -> Int[np.ndarray, " B"]:
        return np.bincount(self.place, minlength=self.number)

    def sums(self, values: Float[np.ndarray, " D"]) -> Float[np.ndarray, " B"]:
        return np.bincount(self.place, values, minlength=self.number)

    def gaps(self, right: Bool[np.ndarray, " D"]) -> Float[np.ndarray, " B"]:
        """|accuracy - mean confidence| of each bin, 0 of an empty one."""
        return np.abs(self.sums(right - self.confidence)) / np.maximum(self.sizes, 1)

    def error(self, right: Bool[np.ndarray, " D"]) -> float:
        """The mean gap of a decision: the expected calibration error (Naeini et al. 2015)."""
        return float(np.abs(self.sums(right - self.confidence)).sum() / len(right))

    def chance(self, draws: int) -> float:
        """What the error of perfectly calibrated decisions stays below in 95 of 100 samples (consistency resampling, Bröcker & Smith 2007).

        How many of a bin are wrong is drawn at once, with the mean of their chances.
        """
        sizes = self.sizes
        wrong = np.clip(self.sums(1 - self.confidence) / np.maximum(sizes, 1), 0, 1)
        drawn = np.random.default_rng(SEED).binomial(sizes, wrong, size=(draws, self.number))
        return float(np.quantile(np.abs(drawn - sizes * wrong).sum(1) / len(self.place), 0.95))

    def interval(self, right: Bool[np.ndarray, " D"], row: Int[np.ndarray, " D"], resamples: int) -> tuple[float, float]:
        """The 95 % interval of the error, rows drawn anew with all their decisions.

        Resamples are further off than their sample, as it is further off than the truth. So its low end is that of the basic bootstrap,
        which takes off as much (Davison & Hinkley 1997); its high end is half the spread of the resamples above the error.
        """
        gaps = np.zeros((1, int(row[-1]) + 1, self.number))
        np.add.at(gaps[0], (row, self.place), right - self.confidence)
        drawn = np.concatenate([np.abs(sums[:, 0]).sum(1) for sums in resampled(grouped(gaps), resamples)]) / len(right)
        low, high = (float(end) for end in np.quantile(drawn, [0.025, 0.975]))
        value = self.error(right)
        return max(0.0, min(value, 2 * value - high)), value + (high - low) / 2

    def rows(self, right: Bool[np.ndarray, " D"]) -> list[Row]:
        """Of each bin that holds a decision: mean confidence, accuracy with Wilson's interval, and how many there are."""
        return [
            {
                "bin": one,
                "confidence": float(self.confidence[here].mean()),
                "accuracy": float(right[here].mean()),
                **dict(zip(("accuracy_low", "accuracy_high"), wilson(right[here].astype(float)), strict=True)),
                "n": int(here.sum()),
            }
            for one in range(self.number)
            if (here := self.place == one).any()
        ]


def equal_width(confidence: Float[np.ndarray, " D"], number: int) -> Bins:
    """Bin m of B holds what is above (m - 1) / B and not above m / B (Guo et al. 2017)."""
    return Bins(confidence, np.clip(np.ceil(confidence * number).astype(int) - 1, 0, number - 1), number)


def equal_mass(confidence: Float[np.ndarray, " D"], number: int) -> Bins:
    """Bins of as many decisions each as can be, equal ones together (Nguyen & O'Connor 2015)."""
    first = np.searchsorted(np.sort(confidence), confidence)
    return Bins(confidence, first * number // len(confidence), number)
