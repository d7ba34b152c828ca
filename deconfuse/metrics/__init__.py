"""What every task's metrics keep to: how good predictions are, with intervals, and the table of them.

Axes: S seeds, N samples, K classes, F sums. `facts` is `schema.json`; predictions are as `deconfuse/tasks` gives them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

Facts = dict[str, Any]
Figures = dict[str, float | int]


class Metrics(ABC):
    """The metrics of one task. Each of its figures is made of sums over samples, so that whatever the samples, drawn anew or left out,
    the sums tell all of them."""

    main: ClassVar[str]
    """The figure that models are compared by."""
    less_is_better: ClassVar[bool] = False
    """Of the main figure."""
    shown: ClassVar[tuple[str, ...]]
    """The few that tell most, `main` first: what `dvc metrics show` has of a model."""

    def figures(self, target: np.ndarray, predicted: np.ndarray) -> Figures:
        """All figures of a split by name, without those that its samples leave undefined; `n` counts samples."""
        found = self.of_sums(self.parts(target, predicted).sum(0, keepdims=True))
        return {name: float(value[0]) for name, value in found.items() if not np.isnan(value[0])} | {"n": len(target)}

    @abstractmethod
    def parts(self, target: np.ndarray, predicted: np.ndarray) -> Float[np.ndarray, "N F"]:
        """What each sample adds to the sums that all figures are made of."""

    @abstractmethod
    def of_sums(self, sums: Float[np.ndarray, "... F"]) -> dict[str, Float[np.ndarray, " ..."]]:
        """All figures by name, from sums over samples of `parts`."""

    @abstractmethod
    def terms(self, target: np.ndarray, predicted: np.ndarray) -> Float[np.ndarray, "N F"]:
        """The same for the main figure alone, which takes fewer."""

    @abstractmethod
    def figure(self, sums: Float[np.ndarray, "... F"]) -> Float[np.ndarray, " ..."]:
        """The main figure from sums over samples of `terms`."""

    @abstractmethod
    def bounds(self, parts: Float[np.ndarray, "S N F"], resamples: int) -> dict[str, tuple[float, float]]:
        """By name the 95 % interval over samples of a figure's mean over seeds, by a bootstrap where there is no better way.

        A figure that does not vary with the samples has none, but for the main one, which always has.
        """

    @abstractmethod
    def header(self, facts: Facts) -> list[str]:
        """The columns of the table: `actual` and `predicted` first."""

    @abstractmethod
    def rows(self, target: np.ndarray, predicted: np.ndarray, facts: Facts) -> Iterator[list[str]]:
        """The table's rows, one a sample."""


def over_seeds(each: list[Figures], bounds: dict[str, tuple[float, float]]) -> Figures:
    """The means of all figures over seeds.

    `<name>_low` to `<name>_high` are the `bounds` over samples; from two seeds on `<name>_seeds_low` to `<name>_seeds_high` is the 95 %
    interval over seeds by Student's t, which may leave the figure's range.
    """
    found: Figures = {}
    for name in each[0]:
        values = np.array([figures[name] for figures in each])
        found[name] = each[0][name] if name == "n" else float(values.mean())
        if name in bounds:
            found[f"{name}_low"], found[f"{name}_high"] = bounds[name]
        if name != "n" and len(each) > 1:
            half = half_width(values)
            found[f"{name}_seeds_low"], found[f"{name}_seeds_high"] = found[name] - half, found[name] + half
    return found


def half_width(values: Float[np.ndarray, " S"]) -> float:
    """Half of the 95 % t interval of a mean (Student 1908)."""
    # 0.14 s that a model of one seed saves
    from scipy.special import stdtrit

    return float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))
