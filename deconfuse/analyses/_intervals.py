"""What sets of answers to the same rows are worth, and how that varies with the luck of the rows."""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from deconfuse.analyses import Subject
from deconfuse.metrics._bootstrap import resampled
from deconfuse.metrics._wilson import wilson


def terms(subject: Subject, target: np.ndarray, logits: Float[Tensor, "N K"]) -> Float[np.ndarray, "N F"]:
    """What each row adds to the sums that the main figure is made of."""
    return subject.metrics.terms(target, subject.task.predictions(logits, subject.facts))


def worth(subject: Subject, sums: Float[np.ndarray, "... F"]) -> Float[np.ndarray, " ..."]:
    """The main figure, negative where less is better: more is always better."""
    figure = subject.metrics.figure(sums)
    return -figure if subject.metrics.less_is_better else figure


def worths(subject: Subject, each: Float[np.ndarray, "X N F"]) -> tuple[Float[np.ndarray, " X"], Float[np.ndarray, "R X"]]:
    """From the terms of X sets of answers to the same rows to what each is worth, and what it is worth in R resamples of the rows, the same
    ones for all sets (Efron 1979)."""
    return worth(subject, each.sum(1)), np.concatenate([worth(subject, sums) for sums in resampled(each, subject.resamples)])


def interval(resampled: Float[np.ndarray, " R"]) -> tuple[float, float]:
    """The middle 95 % of resamples."""
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(low), float(high)


def around(subject: Subject, terms: Float[np.ndarray, "N F"], resampled: Float[np.ndarray, " R"]) -> tuple[float, float]:
    """The 95 % interval of a main figure over rows: Wilson's where it is an accuracy, since resamples of rows that are all right do not
    differ; else the middle of its resamples."""
    return wilson(terms[:, 1]) if subject.metrics.main == "accuracy" else interval(resampled)
