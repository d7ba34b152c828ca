"""What does the model do with some of its modalities, and what does each add?"""

from itertools import combinations
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from deconfuse.analyses import Analysis, Row, Subject, Tables
from deconfuse.analyses._encoded import Encoded
from deconfuse.analyses._intervals import around, interval, terms, worths
from deconfuse.shapley import MOST, shapley

Subset = tuple[str, ...]


class Subsets(Analysis):
    """The main figure where only some modalities are shown, and their exact Shapley values (Shapley 1953; Hu, Li & Zhou 2022).

    What is not shown is missing to the model, never zeros. `subsets`: a row for each subset, that of none, whose answer is the prior,
    included. `shapley`: a row for each modality; all together are what the model is worth with all modalities less what the prior is. Of an
    error, where less is better, the worth is its negative. Beyond 8 modalities the table `subsets` has each alone, all but one and all, and
    there is no `shapley`.
    """

    def __init__(
        self, *, rows: Annotated[int, Field(ge=30, description="Test rows asked at most; fewer where there are many modalities.")] = 2000
    ) -> None:
        self.rows = rows

    def __call__(self, subject: Subject) -> Tables:
        if len(subject.modalities) < 2:
            return {}
        asked = shown(subject.modalities)
        encoded = subject.encoded.first(self.rows, len(asked))
        target = subject.target("test")[encoded.rows]
        logits = [answers(subject, encoded, subset) for subset in asked]
        each = np.stack([terms(subject, target, one) for one in logits])
        worth, resampled = worths(subject, each)
        table = []
        for place, subset in enumerate(asked):
            low, high = around(subject, each[place], np.abs(resampled[:, place]))
            about = {"subset": "+".join(subset), "shown": len(subset), "figure": abs(float(worth[place])), "low": low, "high": high}
            table.append({**about, "loss": loss(subject, encoded, logits[place]), "n": len(encoded)})
        if len(subject.modalities) > MOST:
            return {"subsets": table}
        return {"subsets": table, "shapley": values(subject, asked, worth, resampled, len(encoded))}


def shown(modalities: Subset) -> list[Subset]:
    """All subsets, the smallest first; of many modalities those of none, one, all but one and all."""
    sizes = range(len(modalities) + 1) if len(modalities) <= MOST else (0, 1, len(modalities) - 1, len(modalities))
    return [subset for size in sizes for subset in combinations(modalities, size)]


def answers(subject: Subject, encoded: Encoded, subset: Subset) -> Float[Tensor, "N K"]:
    if not subset:
        return subject.model.log_prior.expand(len(encoded), -1)
    if subset == subject.modalities:
        return subject.logits["test"][torch.from_numpy(encoded.rows)]
    return encoded.answers(dict.fromkeys(subset, encoded.places()))


def loss(subject: Subject, encoded: Encoded, logits: Float[Tensor, "N K"]) -> float | None:
    """Mean cross-entropy in nats, whose least size is 0; None where there are no classes."""
    if not subject.task.has_classes:
        return None
    label = subject.data("test").label[torch.from_numpy(encoded.rows).to(logits.device)]
    return float(subject.task.loss(subject.facts, None, 0.0)(logits, label))


def values(
    subject: Subject, asked: list[Subset], worth: Float[np.ndarray, " S"], resampled: Float[np.ndarray, "R S"], rows: int
) -> list[Row]:
    """The Shapley value of each modality with its 95 % interval over rows (bootstrap)."""
    # the worth itself comes first, then that of each resample
    both = dict(zip(map(frozenset, asked), np.concatenate([worth[None], resampled]).T, strict=True))
    found, _ = shapley(list(subject.modalities), both.__getitem__)
    ends = {name: interval(parts[1:]) for name, parts in found.items()}
    return [{"modality": name, "value": float(found[name][0]), "low": low, "high": high, "n": rows} for name, (low, high) in ends.items()]
