"""What every task keeps to: how a cell of the column `label` becomes a target, and how a model's outputs answer it.

Axes: B or N samples, K outputs of a model. `facts` is `schema.json`: what a task's own `facts` put there is what it finds again.
Nothing here imports torch before it is needed: `preprocess` does without.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

Facts = dict[str, Any]


class LabelError(Exception):
    """A cell that is no label of the task, with the reason in words; its row is rejected."""


class Task(ABC):
    """A kind of question; options are keyword-only."""

    dtype: ClassVar[str]
    """Of the array of targets."""
    has_classes: ClassVar[bool] = True
    """Whether class weights and label smoothing mean anything."""
    measure: ClassVar[str]
    """What `score` is, as history.csv calls it."""

    # ---- cells, for `preprocess`

    @abstractmethod
    def classes(self, labels: list[str]) -> list[str]:
        """All classes of the data set in order; none where targets are numbers. Cells that are no labels do not count."""

    @abstractmethod
    def target(self, label: str, places: dict[str, int]) -> int | float | list[float]:
        """The target of a cell; `places` is where each class stands in their order. Raises LabelError."""

    @abstractmethod
    def counts(self, targets: np.ndarray, classes: list[str]) -> list[int]:
        """Samples of each class."""

    @abstractmethod
    def facts(self, targets: np.ndarray, classes: list[str]) -> Facts:
        """What later stages must know of the train split's targets, as JSON. Raises UserError where nothing can be learnt from them."""

    # ---- tensors, for `train` and `evaluate`

    @abstractmethod
    def prior(self, facts: Facts) -> "Tensor":
        """The outputs (K,) that answer best where nothing is known of a sample."""

    @abstractmethod
    def loss(self, facts: Facts, balance: "Tensor | None", label_smoothing: float) -> "Callable[[Tensor, Tensor], Tensor]":
        """The mean loss (a sample) of outputs (B, K) and targets as stored or as `mixable` gives them.

        Args:
            facts: schema.json.
            balance: the train split's targets, where each class is to count the same; else None.
            label_smoothing: probability mass taken from what is labelled.
        """

    @abstractmethod
    def score(self, facts: Facts) -> "Callable[[Tensor, Tensor], Tensor]":
        """`measure` of each sample (B,) by outputs (B, K) and targets; its mean is that of the split."""

    @abstractmethod
    def mixable(self, target: "Tensor", facts: Facts) -> "Tensor":
        """Targets (B, ...) as floats whose weighted means are targets too."""

    @abstractmethod
    def predictions(self, output: "Tensor", facts: Facts) -> np.ndarray:
        """What outputs (N, K) say: probabilities (N, classes), or numbers (N,) in the labels' unit; float64."""
