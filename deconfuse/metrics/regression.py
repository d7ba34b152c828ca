"""How far numbers are off."""

from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from deconfuse.metrics import Facts, Figures, Metrics
from deconfuse.metrics._bootstrap import interval


class Regression(Metrics):
    """Errors of numbers (N,) in the labels' unit."""

    main = "rmse"
    less_is_better = True

    def figures(self, target: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"]) -> Figures:
        """`rmse` (root of the mean squared error) and `mae` (mean absolute error) in the labels' unit, `r2` (share of the variance that is
        explained: 1 is perfect, 0 no better than the split's mean), and `n`.

        Where all targets are equal, `r2` is not defined and left out.
        """
        found: Figures = {
            "rmse": float(root_mean_squared_error(target, predicted)),
            "mae": float(mean_absolute_error(target, predicted)),
        }
        if np.ptp(target) > 0:
            found["r2"] = float(r2_score(target, predicted))
        return found | {"n": len(target)}

    def terms(self, target: Float[np.ndarray, " N"], predicted: Float[np.ndarray, " N"]) -> Float[np.ndarray, "N 5"]:
        """1, the squared and the absolute error, the target's distance from the mean and that squared."""
        error, distance = predicted - target, target - target.mean()
        return np.stack([np.ones(len(target)), error**2, np.abs(error), distance, distance**2], 1)

    def figure(self, sums: Float[np.ndarray, "... 5"]) -> Float[np.ndarray, " ..."]:
        return FROM_SUMS["rmse"](sums)

    def bounds(self, terms: Float[np.ndarray, "S N 5"]) -> dict[str, tuple[float, float]]:
        return {name: interval(terms, figure) for name, figure in FROM_SUMS.items()}

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


FROM_SUMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rmse": lambda sums: np.sqrt(sums[..., 1] / sums[..., 0]),
    "mae": lambda sums: sums[..., 2] / sums[..., 0],
    "r2": r2,
}
