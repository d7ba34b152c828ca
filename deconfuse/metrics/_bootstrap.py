"""Intervals of figures that are made of sums over samples."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
SEED = 0
CHUNK = 2_000_000
"""Counts held at a time: 16 MB."""


def interval(terms: Float[np.ndarray, "N F"], figure: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval (Efron 1979) of a figure over samples drawn anew.

    Args:
        terms: what each sample adds to the sums.
        figure: from sums (R, F) of R resamples to the figure of each (R,).
    """
    sums = resampled(terms, np.random.default_rng(SEED))
    low, high = np.quantile(figure(sums), [0.025, 0.975])
    return float(low), float(high)


def resampled(terms: Float[np.ndarray, "N F"], draw: np.random.Generator) -> Float[np.ndarray, "R F"]:
    """The sums of every resample: how often each sample is in it, times what it adds."""
    samples = len(terms)
    step = max(1, CHUNK // samples)
    pieces = [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]
    return np.concatenate([draw.multinomial(samples, np.full(samples, 1 / samples), size=piece) @ terms for piece in pieces])
