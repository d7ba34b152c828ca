"""What every task's metrics keep to: how good predictions are, with intervals, and the table of them.

Axes: N samples, K classes. `facts` is `schema.json`; predictions are as `deconfuse/tasks` gives them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

Facts = dict[str, Any]


class Metrics(ABC):
    """The metrics of one task."""

    @abstractmethod
    def figures(self, target: np.ndarray, predicted: np.ndarray) -> dict[str, float | int]:
        """All figures of a split by name; `<name>_low` to `<name>_high` is the 95 % interval of `<name>`; `n` counts samples."""

    @abstractmethod
    def header(self, facts: Facts) -> list[str]:
        """The columns of the table: `actual` and `predicted` first."""

    @abstractmethod
    def rows(self, target: np.ndarray, predicted: np.ndarray, facts: Facts) -> Iterator[list[str]]:
        """The table's rows, one a sample."""
