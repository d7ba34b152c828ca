"""How far numbers are off."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from deconfuse.metrics import Facts, Figures, Metrics
from deconfuse.metrics._bootstrap import intervals


class Regression(Metrics):
    """Errors of numbers (N,) in the labels' unit."""

    main = "rmse"
    less_is_better = True
    shown = ("rmse", "mae", "r2")

    def figures(self, target: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"]) -> Figures:
        """Where all targets are equal, `r2` is not defined and left out."""
        found = super().figures(target, predicted)
        return found if np.ptp(target) > 0 else {name: value for name, value in found.items() if name != "r2"}

    def parts(self, target: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N 5"]:
        """1, the squared and the absolute error, the target's distance from the mean and that squared."""
        error, distance = predicted - target, target - target.mean()
        return np.stack([np.ones(len(target)), error**2, np.abs(error), distance, distance**2], 1)

    def of_sums(self, sums: Float[np.ndarray, "... 5"]) -> dict[str, Float[np.ndarray, " ..."]]:
        """`rmse` (root of the mean squared error) and `mae` (mean absolute error) in the labels' unit, and `r2` (share of the variance that
        is explained: 1 is perfect, 0 no better than the split's mean)."""
        return {"rmse": np.sqrt(sums[..., 1] / sums[..., 0]), "mae": sums[..., 2] / sums[..., 0], "r2": r2(sums)}

    def terms(self, target: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N 2"]:
        """1, and the squared error."""
        return np.stack([np.ones(len(target)), (predicted - target) ** 2], 1)

    def figure(self, sums: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, " ..."]:
        return np.sqrt(sums[..., 1] / sums[..., 0])

    def bounds(self, parts: Float[np.ndarray, "S N 5"], resamples: int) -> dict[str, tuple[float, float]]:
        """Where all samples are off by the same, the main figure has an interval without width."""
        value = float(self.of_sums(parts.sum(1))[self.main].mean())
        return {self.main: (value, value)} | intervals(parts, self.of_sums, resamples)

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted"]

    def rows(self, target: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"], facts: Facts) -> Iterator[list[str]]:
        for pair in zip(target, predicted, strict=True):
            yield [f"{number:.9g}" for number in pair]


def r2(sums: Float[np.ndarray, "... 5"]) -> Float[np.ndarray, " ..."]:
    spread = sums[..., 4] - sums[..., 3] ** 2 / sums[..., 0]
    # a resample of one sample again and again has no variance to explain
    is_flat = spread <= 1e-12 * sums[..., 4]
    return np.where(is_flat, 0.0, 1 - sums[..., 1] / np.where(is_flat, 1.0, spread))
