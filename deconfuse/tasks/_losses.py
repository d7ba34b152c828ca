"""Losses of the tasks, as functions of outputs and targets."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

Loss = Callable[[Tensor, Tensor], Tensor]


def cross_entropy(weight: Float[Tensor, " K"] | None, label_smoothing: float) -> Loss:
    """Cross-entropy (nats, mean of a batch) of logits (B, K) and labels (B,), or shares of each class (B, K) where samples are mixed.

    With a `weight` of each class the mean is a weighted one for labels; for shares the weights are taken as 1 on average.
    """

    def loss(logits: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(logits, label, weight=weight, label_smoothing=label_smoothing)

    return loss


def binary_cross_entropy(weight: Float[Tensor, "2 K"] | None, label_smoothing: float) -> Loss:
    """Cross-entropy of K yes-or-no questions a sample (nats, mean over samples and questions) of logits (B, K) and answers (B, K) in 0..1.

    Args:
        weight: of a no (first) and a yes (second) to each question, 1 on average; a mixed answer has the mean weight.
        label_smoothing: share of each answer that becomes one half.
    """

    def loss(logits: Tensor, answer: Tensor) -> Tensor:
        given = answer.float().view_as(logits)
        weighed = None if weight is None else torch.lerp(weight[0].expand_as(given), weight[1].expand_as(given), given)
        return F.binary_cross_entropy_with_logits(logits, torch.lerp(given, torch.full_like(given, 0.5), label_smoothing), weighed)

    return loss


def squared_error(mean: float, deviation: float) -> Loss:
    """Mean squared error of outputs (B, 1) and numbers (B,), in squared units of `deviation`: always guessing `mean` costs about 1."""

    def loss(output: Tensor, number: Tensor) -> Tensor:
        # the difference first: of large numbers that differ little, single precision would keep nothing
        return F.mse_loss(output[:, 0], ((number.double() - mean) / deviation).float())

    return loss


def balanced(label: Int[Tensor, " N"], classes: int) -> Float[Tensor, " K"]:
    """Weights by which every class counts the same in all (King & Zeng 2001): N / (classes seen * samples of the class), 0 for one unseen.

    Their mean over the samples is 1.
    """
    counts = torch.bincount(label.cpu(), minlength=classes).double()
    weight = torch.where(counts > 0, len(label) / ((counts > 0).sum() * counts), 0.0)
    return weight.float().to(label.device)


def balanced_answers(answer: Shaped[Tensor, "N K"]) -> Float[Tensor, "2 K"]:
    """The same for each of K questions: weights of a no and of a yes to it."""
    return torch.stack([balanced(column.long(), 2) for column in answer.unbind(1)], 1)
