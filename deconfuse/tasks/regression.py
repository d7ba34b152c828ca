"""A number."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.tasks import Facts, LabelError, Task

if TYPE_CHECKING:
    from torch import Tensor


class Regression(Task):
    """How much it is: one output, in the train split's standard deviations from its mean, squared error."""

    dtype = "float64"
    has_classes = False
    measure = "mae"

    def classes(self, labels: list[str]) -> list[str]:
        return []

    def target(self, label: str, places: dict[str, int]) -> float:
        try:
            # Python reads 1_000 too, which in a table is a slip
            number = math.nan if "_" in label else float(label)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise LabelError(f"{label!r} is no number such as 3, -0.5 or 1e-3")
        return number

    def counts(self, targets: np.ndarray, classes: list[str]) -> list[int]:
        return []

    def facts(self, targets: np.ndarray, classes: list[str]) -> Facts:
        mean, deviation = float(targets.mean()), float(targets.std())
        if not (deviation > 0 and math.isfinite(deviation)):
            raise UserError(
                f"the labels of the {len(targets)} training rows have the mean {mean:g} and the standard deviation {deviation:g}; "
                "a regression needs numbers that differ and are not too large to be squared"
            )
        return {"classes": classes, "train_counts": [], "mean": mean, "std": deviation}

    def prior(self, facts: Facts) -> "Tensor":
        """The mean."""
        import torch

        return torch.zeros(1)

    def loss(self, facts: Facts, balance: "Tensor | None", label_smoothing: float) -> "Callable[[Tensor, Tensor], Tensor]":
        from deconfuse.tasks._losses import squared_error

        return squared_error(facts["mean"], facts["std"])

    def score(self, facts: Facts) -> "Callable[[Tensor, Tensor], Tensor]":
        """The absolute error in the labels' unit."""
        return lambda output, target: (output[:, 0].double() * facts["std"] + facts["mean"] - target).abs()

    def mixable(self, target: "Tensor", facts: Facts) -> "Tensor":
        return target

    def predictions(self, output: "Tensor", facts: Facts) -> np.ndarray:
        """The numbers (N,) in the labels' unit."""
        return (output[:, 0].double() * facts["std"] + facts["mean"]).cpu().numpy()
