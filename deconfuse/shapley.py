"""What each modality adds to a worth: of an answer, or of a whole split."""

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np

MOST = 8
"""Modalities: each one more doubles the time."""


def shapley(modalities: list[str], value: Callable[[frozenset[str]], np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The exact Shapley value of each modality (Shapley 1953; of modalities Hu, Li & Zhou 2022, arXiv 2205.00302).

    A modality's value is what it adds in the mean over all orders in which the modalities could have come.

    Args:
        modalities: all that the model reads, at most MOST.
        value: from those that are shown to the model to what that is worth (...).

    Returns:
        Modality -> value (...), and the worth (...) where nothing is shown, which with all values sums to that where all are.
    """
    count = len(modalities)
    worth = {frozenset(shown): value(frozenset(shown)) for size in range(count + 1) for shown in combinations(modalities, size)}
    found = {}
    for name in modalities:
        gains = [
            factorial(len(shown)) * factorial(count - len(shown) - 1) / factorial(count) * (worth[shown | {name}] - before)
            for shown, before in worth.items()
            if name not in shown
        ]
        found[name] = np.sum(gains, axis=0)
    return found, worth[frozenset()]
