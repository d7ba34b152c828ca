"""How often a model is wrong on the rows that it is surest of, when it may leave out the others."""

import numpy as np
from jaxtyping import Bool, Float

from deconfuse.analyses import Row
from deconfuse.metrics._wilson import wilson


def surest(confidence: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"]) -> tuple[np.ndarray, Float[np.ndarray, " N"]]:
    """The order of rows, the surest first, and how wrong each is in that order: rows that are as sure share the mean of theirs, since which
    of them comes first is nobody's choice."""
    _, tie, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(tie, ~right) / counts
    order = np.argsort(-confidence, kind="stable")
    return order, wrong[tie[order]]


def risks(wrong: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """The share of the first 1, 2, ... rows that is wrong."""
    return np.cumsum(wrong) / np.arange(1, len(wrong) + 1)


def pseudo_values(confidence: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """One number a row whose mean is the area under the risk-coverage curve (AURC: Geifman & El-Yaniv 2017): the mean risk over all
    coverages. See `metrics/_ranks.py`.
    """
    order, wrong = surest(confidence, right)
    risk, places = risks(wrong), np.arange(1, len(wrong) + 1)
    # a row moves the risk at its own place and at all after it
    after = [np.cumsum((part / places)[::-1])[::-1] for part in (np.ones(len(wrong)), risk)]
    values = np.empty(len(wrong))
    values[order] = risk + wrong * after[0] - after[1]
    return values


def curve(confidence: Float[np.ndarray, " N"], right: Bool[np.ndarray, " N"], points: int) -> list[Row]:
    """At even shares of the rows (the coverage) how often the model is wrong on them, with Wilson's interval, and how sure it is at
    least."""
    order, wrong = surest(confidence, right)
    risk, found = risks(wrong), []
    for count in sorted({max(1, round(len(wrong) * point / points)) for point in range(1, points + 1)}):
        low, high = wilson(wrong[:count])
        found.append(
            {
                "coverage": count / len(wrong),
                "risk": float(risk[count - 1]),
                "risk_low": low,
                "risk_high": high,
                "confidence": float(confidence[order[count - 1]]),
                "n": count,
            }
        )
    return found
