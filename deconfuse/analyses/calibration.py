"""Is the model as sure as it is right, and does it know when it is wrong?"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from deconfuse.analyses import Analysis, Row, Subject, Tables
from deconfuse.analyses._reliability import Bins, equal_mass, equal_width
from deconfuse.analyses._selection import curve, pseudo_values
from deconfuse.analyses._temperature import fitted
from deconfuse.metrics._bootstrap import intervals

SEED = 0
MOST = 20.0
"""The temperature is between this and its inverse."""


@dataclass(frozen=True)
class Sureness:
    """How sure answers are and whether they are right: of each decision, and of each row."""

    confidence: Float[np.ndarray, " D"]
    right: Bool[np.ndarray, " D"]
    row: np.ndarray
    """int (D,): the row that a decision belongs to."""
    whole: tuple[Float[np.ndarray, " N"], Bool[np.ndarray, " N"]]
    """The same of rows."""


class Calibration(Analysis):
    """Confidence against accuracy (Guo et al. 2017), as trained and with a temperature fitted on the val split; risk against coverage
    (El-Yaniv & Wiener 2010).

    Where a row has several classes, each yes or no is a decision; its row is as sure as its least sure one, and right if all are.
    """

    def __init__(
        self,
        *,
        bins: Annotated[int, Field(ge=2, le=100, description="Bins of the confidence.")] = 15,
        points: Annotated[int, Field(ge=2, le=1000, description="Points of the risk-coverage curve.")] = 50,
        rows: Annotated[int, Field(ge=30, description="Rows of a split asked at most, drawn once for all models.")] = 20_000,
    ) -> None:
        self.bins, self.points, self.rows = bins, points, rows

    def __call__(self, subject: Subject) -> Tables:
        """`calibration`: as trained and scaled what the test rows say; `reliability`: its bins; `risk_coverage`: the risk of the rows that
        the model is surest of, as trained."""
        if subject.facts["task"] == "regression":
            return {}
        val, test = (self.asked(subject, split) for split in ("val", "test"))
        temperature = fitted(subject.task.loss(subject.facts, None, 0.0), *val, MOST)
        summary, reliability, selection = [], [], []
        for scaled, divisor in (("no", 1.0), ("yes", temperature)):
            logits, target = test[0] / divisor, test[1].cpu().numpy()
            predicted = subject.task.predictions(logits, subject.facts)
            found = sureness(predicted, target, subject.facts["task"])
            summary.append({"scaled": scaled, "temperature": divisor} | self.summary(subject, target, predicted, found))
            reliability += [{"scaled": scaled} | row for row in equal_width(found.confidence, self.bins).rows(found.right)]
            selection += curve(*found.whole, self.points) if scaled == "no" else []
        return {"calibration": summary, "reliability": reliability, "risk_coverage": selection}

    def asked(self, subject: Subject, split: str) -> tuple[Float[Tensor, "N K"], Tensor]:
        """The logits and targets of at most `rows` rows of a split."""
        logits, target = subject.logits[split].double(), subject.data(split).label
        if len(logits) <= self.rows:
            return logits, target
        chosen = torch.from_numpy(np.sort(np.random.default_rng(SEED).choice(len(logits), self.rows, replace=False))).to(logits.device)
        return logits[chosen], target[chosen]

    def summary(self, subject: Subject, target: np.ndarray, predicted: np.ndarray, found: Sureness) -> Row:
        """One row of the table: what is measured of all test rows, with intervals."""
        row: Row = {"rows": len(target), "decisions": len(found.right)}
        row |= {"accuracy": float(found.right.mean()), "confidence": float(found.confidence.mean())}
        wide, even = equal_width(found.confidence, self.bins), equal_mass(found.confidence, self.bins)
        for name, bins in (("ece", wide), ("adaptive_ece", even)):
            row |= errors(name, bins, found, subject.resamples)
        row["mce"] = float(wide.gaps(found.right).max())
        figures, parts = subject.metrics.figures(target, predicted), subject.metrics.parts(target, predicted)
        values = pseudo_values(*found.whole)
        figures["aurc"] = float(values.mean())
        bounds = intervals(parts[None], subject.metrics.of_sums, subject.resamples)
        bounds |= intervals(values[None, :, None], lambda sums: {"aurc": sums[..., 0] / len(values)}, subject.resamples)
        for name in ("brier", "loss", "aurc"):
            row[name], (row[f"{name}_low"], row[f"{name}_high"]) = figures[name], bounds.get(name, (figures[name],) * 2)
        return row


def sureness(predicted: Float[np.ndarray, "N K"], target: np.ndarray, task: str) -> Sureness:
    if task == "multi_label":
        confidence, right = np.maximum(predicted, 1 - predicted), (predicted > 0.5) == (target > 0)
    else:
        confidence, right = predicted.max(1, keepdims=True), (predicted.argmax(1) == target)[:, None]
    row = np.repeat(np.arange(len(target)), confidence.shape[1])
    return Sureness(confidence.ravel(), right.ravel(), row, (confidence.min(1), right.all(1)))


def errors(name: str, bins: Bins, found: Sureness, resamples: int) -> Row:
    """A calibration error, its interval over rows, and what one that is perfectly calibrated stays below in 95 of 100 samples."""
    value, chance = bins.error(found.right), bins.chance(resamples)
    low, high = bins.interval(found.right, found.row, resamples)
    return {name: value, f"{name}_low": 0.0 if value <= chance else low, f"{name}_high": high, f"{name}_chance": chance}
