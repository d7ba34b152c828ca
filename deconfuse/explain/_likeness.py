"""How alike two maps are."""

import numpy as np
from jaxtyping import Float


def spearman(one: Float[np.ndarray, " N"], other: Float[np.ndarray, " N"]) -> float:
    """Rank correlation (Spearman 1904), ties by their mean rank; NaN where one of them is the same everywhere."""
    a, b = (ranks(values) - (len(values) - 1) / 2 for values in (one, other))
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else float("nan")


def ranks(values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """From 0, equal values sharing the mean of theirs."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(times) - (times + 1) / 2)[place]
