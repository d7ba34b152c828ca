"""Figures of how scores order samples, each as one number a sample whose mean is the figure.

These are pseudo-values (Tukey 1958; of the infinitesimal jackknife, Jaeckel 1972): the figure, and N times how much it moves as the sample
counts a little more. So a figure of ranks is drawn anew like a mean, without sorting each resample.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

Figure = Callable[[np.ndarray, np.ndarray], np.ndarray | None]


def mean_of(figure: Figure, there: Bool[np.ndarray, "N K"], score: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """Of a figure's mean over the classes for which it is defined; NaN where it is for none."""
    each = [values for has, scores in zip(there.T, score.T, strict=True) if (values := figure(has, scores)) is not None]
    return np.mean(each, 0) if each else np.full(len(there), np.nan)


def auroc(there: Bool[np.ndarray, " N"], score: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"] | None:
    """The chance that one with the class scores higher than one without it, a tie being half of one (Hanley & McNeil 1982).

    What a sample moves is its placement among those of the other kind (DeLong et al. 1988).

    None where all samples have the class, or none.
    """
    if there.all() or not there.any():
        return None
    of, samples = {kind: np.sort(score[there == kind]) for kind in (False, True)}, len(score)
    above = placed(score[there], of[False])
    below = 1 - placed(score[~there], of[True])
    value, moves = above.mean(), np.empty(samples)
    moves[there], moves[~there] = (above - value) / len(above), (below - value) / len(below)
    return value + samples * moves


def placed(score: Float[np.ndarray, " A"], others: Float[np.ndarray, " B"]) -> Float[np.ndarray, " A"]:
    """The share of the others, which are sorted, that are lower, and half of those that are equal."""
    return (np.searchsorted(others, score, "left") + np.searchsorted(others, score, "right")) / (2 * len(others))


def average_precision(there: Bool[np.ndarray, " N"], score: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"] | None:
    """The mean, over those with the class, of the precision among all that score no lower; None where no sample has it."""
    if not there.any():
        return None
    order, samples = np.argsort(-score, kind="stable"), len(score)
    has, ranked = there[order], -score[order]
    # equal scores stand and fall together
    first, last = np.searchsorted(ranked, ranked, "left"), np.searchsorted(ranked, ranked, "right")
    precision = np.cumsum(has)[last - 1] / last
    # what those that score no higher lose by one more above them, and gain if it has the class
    after = [np.append(np.cumsum((has * part / last)[::-1])[::-1], 0)[first] for part in (precision, np.ones(samples))]
    value, moves = precision[has].mean(), np.empty(samples)
    moves[order] = (has * (precision - precision[has].mean() + after[1]) - after[0]) / has.sum()
    return value + samples * moves
