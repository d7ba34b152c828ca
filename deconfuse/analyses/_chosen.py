"""Which test rows are explained, and what of the answers to them."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from deconfuse.analyses import Subject


def drawn(subject: Subject, seed: int) -> Int[np.ndarray, " R"]:
    """All test rows that have a modality of the model, in an order that is the same for every model."""
    present = subject.data("test").present
    there = torch.stack([present[name] for name in subject.modalities]).any(0).cpu().numpy()
    order = np.random.default_rng(seed).permutation(len(there))
    return order[there[order]]


def evened(order: Int[np.ndarray, " R"], right: Bool[np.ndarray, " N"], samples: int) -> list[int]:
    """The first half of the samples as they come, the others so that as many are right as wrong, as far as that goes."""
    common = (samples + 1) // 2
    kept, rest = [int(row) for row in order[:common]], [int(row) for row in order[common:]]
    while rest and len(kept) < samples:
        wanted = 2 * right[kept].sum() < len(kept)
        kept.append(next((row for row in rest if right[row] == wanted), rest[0]))
        rest.remove(kept[-1])
    return kept


def is_right(subject: Subject) -> Bool[np.ndarray, " N"]:
    """Which test rows the model has right, and of numbers which it misses by no more than its RMSE."""
    target, predicted = subject.target("test"), subject.predicted("test")
    if not subject.task.has_classes:
        squared = (predicted - target) ** 2
        return squared <= squared.mean()
    score = subject.task.score(subject.facts)
    logits = subject.logits["test"].cpu()
    return score(logits, torch.from_numpy(target)).bool().numpy()


def asked(subject: Subject, logits: Float[Tensor, "B K"]) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"] | None, list[str]]:
    """What is explained of the outputs: their weights in a sum, and the name of the class.

    Of several outputs it is the largest, of one that tells two classes apart the evidence for the predicted one, and of a number itself.
    The second weights are those of the runner-up among several outputs.
    """
    classes = subject.facts.get("classes") or []
    if logits.shape[1] > 1:
        first, second = logits.topk(2, dim=1).indices.unbind(1)
        one, other = (F.one_hot(place, logits.shape[1]).float() for place in (first, second))
        return one, other, [classes[place] for place in first.tolist()]
    if not subject.task.has_classes:
        return torch.ones_like(logits), None, [""] * len(logits)
    yes = logits > 0
    # a multi-label task of one class has one output, too
    names = [classes[-1] if is_yes else f"not {classes[0]}" if len(classes) == 1 else classes[0] for is_yes in yes[:, 0].tolist()]
    return torch.where(yes, 1.0, -1.0), None, names
