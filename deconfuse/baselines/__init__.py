"""What every baseline keeps to: a classical model of a few numbers a row, which any network must beat.

Axes: N rows, D features, K classes (1 where the target is a number).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import Float

Predict = Callable[[Float[np.ndarray, "N D"]], Iterator[tuple[str, Float[np.ndarray, "N K"]]]]
"""Of features, by setting (in words, "" where there is none) what is predicted: probabilities, or a number."""


class Baseline(ABC):
    """A kind of model; options are keyword-only, and hold what validation may choose from."""

    reads = True
    """Whether it looks at the features."""

    @abstractmethod
    def title(self, task: str) -> str:
        """Its name in the report."""

    @abstractmethod
    def fit(self, x: Float[np.ndarray, "N D"], target: Float[np.ndarray, "N K"], task: str) -> Predict:
        """Learn from train rows.

        Args:
            x: features.
            target: 1 for the classes that a row has and 0 for the others, or the number.
            task: as in schema.json.
        """
