"""Any number of classes at once."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from deconfuse.tasks import Facts, LabelError, Task
from deconfuse.tasks._classes import complete, in_order

if TYPE_CHECKING:
    from torch import Tensor


class MultiLabel(Task):
    """Which classes it has: an output a class, its log odds, binary cross-entropy. A cell names one or more, e.g. `dog;outdoors`."""

    dtype = "float32"
    measure = "exact_match"

    def __init__(
        self,
        *,
        separator: Annotated[str, Field(min_length=1, max_length=10, description="What stands between the classes of a cell.")] = ";",
    ) -> None:
        self.separator = separator

    def named(self, label: str) -> list[str]:
        """The classes that a cell names; spaces around them do not count. Raises LabelError."""
        names = [name.strip() for name in label.split(self.separator)]
        if "" in names:
            raise LabelError(f"{label!r} has nothing before, after or between its {self.separator!r}")
        return names

    def classes(self, labels: list[str]) -> list[str]:
        found: set[str] = set()
        for label in labels:
            try:
                found.update(self.named(label))
            except LabelError:
                continue
        return in_order(found)

    def target(self, label: str, places: dict[str, int]) -> list[float]:
        answers = [0.0] * len(places)
        for name in self.named(label):
            answers[places[name]] = 1.0
        return answers

    def counts(self, targets: np.ndarray, classes: list[str]) -> list[int]:
        return targets.sum(0).astype(int).tolist()

    def facts(self, targets: np.ndarray, classes: list[str]) -> Facts:
        counts = self.counts(targets, classes)
        complete(classes, counts)
        return {"classes": classes, "train_counts": counts, "train_rows": len(targets), "separator": self.separator}

    def prior(self, facts: Facts) -> "Tensor":
        """The logarithm of each class's odds, with half a sample more on both sides (Haldane 1956): a class that all have stays finite."""
        import torch

        count = torch.tensor(facts["train_counts"], dtype=torch.float32)
        return ((count + 0.5) / (facts["train_rows"] - count + 0.5)).log()

    def loss(self, facts: Facts, balance: "Tensor | None", label_smoothing: float) -> "Callable[[Tensor, Tensor], Tensor]":
        from deconfuse.tasks._losses import balanced_answers, binary_cross_entropy

        return binary_cross_entropy(None if balance is None else balanced_answers(balance), label_smoothing)

    def score(self, facts: Facts) -> "Callable[[Tensor, Tensor], Tensor]":
        """Whether all classes of a sample are right, none left out and none too many."""
        return lambda output, target: ((output > 0) == target.bool()).all(1)

    def mixable(self, target: "Tensor", facts: Facts) -> "Tensor":
        return target

    def predictions(self, output: "Tensor", facts: Facts) -> np.ndarray:
        return output.double().sigmoid().cpu().numpy()
