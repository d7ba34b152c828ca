"""Figures of how often each class is there, said, and both: means over all classes, in which one that is never asked for counts 0."""

import numpy as np
from jaxtyping import Float

Counts = Float[np.ndarray, "... 3 K"]
"""How often each class is there, is said, and is said rightly."""


def macro(counts: Counts) -> dict[str, np.ndarray]:
    """Means over all K classes: `macro_precision` (of what is said, the share that is right), `macro_recall` (of what is there, the share
    that is said), `macro_f1` (the harmonic mean of both, class by class)."""
    there, said, hits = np.moveaxis(counts, -2, 0)
    return {
        "macro_precision": share(hits, said).mean(-1),
        "macro_recall": share(hits, there).mean(-1),
        "macro_f1": share(2 * hits, there + said).mean(-1),
    }


def share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """0 of nothing."""
    return part / np.where(whole > 0, whole, 1)
