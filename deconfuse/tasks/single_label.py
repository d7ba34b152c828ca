"""One of several classes that exclude each other."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deconfuse.tasks import Facts, Task
from deconfuse.tasks._classes import complete, in_order

if TYPE_CHECKING:
    from torch import Tensor


class SingleLabel(Task):
    """Which class it is: an output a class, cross-entropy."""

    dtype = "int64"
    measure = "accuracy"

    def classes(self, labels: list[str]) -> list[str]:
        return in_order(labels)

    def target(self, label: str, places: dict[str, int]) -> int:
        return places[label]

    def counts(self, targets: np.ndarray, classes: list[str]) -> list[int]:
        return np.bincount(targets, minlength=len(classes)).tolist()

    def facts(self, targets: np.ndarray, classes: list[str]) -> Facts:
        counts = self.counts(targets, classes)
        complete(classes, counts)
        return {"classes": classes, "train_counts": counts}

    def prior(self, facts: Facts) -> "Tensor":
        """The logarithm of each class's share."""
        import torch

        share = torch.tensor(facts["train_counts"], dtype=torch.float32)
        return (share / share.sum()).log()

    def loss(self, facts: Facts, balance: "Tensor | None", label_smoothing: float) -> "Callable[[Tensor, Tensor], Tensor]":
        from deconfuse.tasks._losses import balanced, cross_entropy

        return cross_entropy(None if balance is None else balanced(balance, len(facts["classes"])), label_smoothing)

    def score(self, facts: Facts) -> "Callable[[Tensor, Tensor], Tensor]":
        return lambda output, target: output.argmax(1) == target

    def mixable(self, target: "Tensor", facts: Facts) -> "Tensor":
        from torch.nn.functional import one_hot

        return one_hot(target, len(facts["classes"])).float()

    def predictions(self, output: "Tensor", facts: Facts) -> np.ndarray:
        return output.double().softmax(1).cpu().numpy()
