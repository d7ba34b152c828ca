"""Yes or no."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.tasks import Facts
from deconfuse.tasks.single_label import SingleLabel

if TYPE_CHECKING:
    from torch import Tensor


class Binary(SingleLabel):
    """Whether it is the second of two classes: one output, its log odds, binary cross-entropy."""

    def facts(self, targets: np.ndarray, classes: list[str]) -> Facts:
        if len(classes) > 2:
            raise UserError(
                f"preprocess.task is binary, but there are {len(classes)} labels: {', '.join(classes[:10])}; "
                "choose single_label, or leave two of them"
            )
        return super().facts(targets, classes)

    def prior(self, facts: Facts) -> "Tensor":
        """The logarithm of the odds."""
        import torch

        no, yes = facts["train_counts"]
        return torch.tensor([math.log(yes / no)])

    def loss(self, facts: Facts, balance: "Tensor | None", label_smoothing: float) -> "Callable[[Tensor, Tensor], Tensor]":
        from deconfuse.tasks._losses import balanced_answers, binary_cross_entropy

        return binary_cross_entropy(None if balance is None else balanced_answers(balance[:, None]), label_smoothing)

    def score(self, facts: Facts) -> "Callable[[Tensor, Tensor], Tensor]":
        return lambda output, target: (output[:, 0] > 0) == target.bool()

    def mixable(self, target: "Tensor", facts: Facts) -> "Tensor":
        return target.float()

    def predictions(self, output: "Tensor", facts: Facts) -> np.ndarray:
        """Probabilities (N, 2) of both classes."""
        import torch

        # each from its own logit: 1 - p would lose small ones
        return torch.cat([-output, output], 1).double().sigmoid().cpu().numpy()
