"""What every analysis keeps to: one question put to a trained model, answered by tables.

Axes: N samples, K outputs of a model, M modalities.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from deconfuse.analyses._encoded import Drawn
from deconfuse.embeddings import Embedding, Values
from deconfuse.metrics import Facts, Metrics
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.reading.streaming import Streamed
from deconfuse.tasks import Task

Row = dict[str, Any]
Tables = dict[str, list[Row]]
"""By name the rows of a table, all with the same keys, which are its columns."""


@dataclass(frozen=True)
class Subject:
    """A trained model with the weights of one seed, and what it is measured on."""

    name: str
    seed: int
    is_best: bool
    """Whether of all seeds this one has the lowest validation loss."""
    model: Model
    """On its device, in evaluation mode."""
    task: Task
    metrics: Metrics
    facts: Facts
    """schema.json"""
    data: Callable[[str], Dataset | Streamed]
    """The samples of a split (train, val, test) that the model reads, on its device; all rows of the split, in order."""
    ids: Callable[[str], list[str]]
    """Of the rows of a split."""
    logits: dict[str, Tensor]
    """Of the splits val and test what the model answers: (N, K)."""
    raw: Callable[[str, str], tuple[Values, np.ndarray | None]]
    """Of a split and a modality the values as `preprocess` left them (arrays mapped, texts a list with None where missing), and the valid
    steps (N,) where there is a time axis."""
    embedding: Callable[[str], Embedding]
    """Of a modality the embedding as `embed` fitted it: it makes of raw values what the model reads."""
    resamples: int
    """Of the rows, behind each interval."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that the model reads, sorted."""
        return self.model.modalities

    @cached_property
    def encoded(self) -> Drawn:
        """The rows of the test split, each modality encoded once for all analyses."""
        return Drawn(self.model, self.data("test"))

    def target(self, split: str) -> np.ndarray:
        """What is true of a split's rows, as the task made it."""
        return self.data(split).label.cpu().numpy()

    def predicted(self, split: str) -> np.ndarray:
        """What the model says of the rows of val or test: probabilities (N, classes), or numbers (N,)."""
        return self.task.predictions(self.logits[split], self.facts)

    def score(self, target: np.ndarray, logits: Tensor) -> float:
        """The main figure of the task, of these outputs (N, K)."""
        terms = self.metrics.terms(target, self.task.predictions(logits, self.facts))
        return float(self.metrics.figure(terms.sum(0, keepdims=True))[0])


class Analysis(ABC):
    """One question; its options are keyword-only."""

    of_every_seed: bool = True
    """Whether it is put to the model of every seed, or to that of the best one alone."""

    @abstractmethod
    def __call__(self, subject: Subject) -> Tables:
        """The answer; the tables' names are those of no other analysis. Where the question has no sense for the task, none."""
