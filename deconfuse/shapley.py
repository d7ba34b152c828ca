"""What each modality adds to an answer."""

from collections.abc import Callable
from itertools import combinations
from math import factorial

import numpy as np

MOST = 8
"""Modalities: each one more doubles the time."""


def shapley(modalities: list[str], value: Callable[[frozenset[str]], np.ndarray]) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The exact Shapley value of each modality (Shapley 1953; of modalities Hu, Li & Zhou 2022, arXiv 2205.00302).

    A modality's value is what it adds to the model's answer, in the mean over all orders in which the modalities could have come; what
    has not come is missing to the model, not zeros. A missing one adds 0.

    Args:
        modalities: all that the model reads, at most MOST.
        value: from those that are shown to the model to its predictions (N, ...).

    Returns:
        Modality -> value (N, ...), and the predictions (N, ...) where nothing is shown, which with all values sum to the full answer.
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
