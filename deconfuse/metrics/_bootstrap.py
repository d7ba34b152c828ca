"""Intervals of figures that are made of sums over samples."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

RESAMPLES = 2000
SEED = 0
CHUNK = 2_000_000
"""Counts held at a time: 16 MB."""


def interval(terms: Float[np.ndarray, "S N F"], figure: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval (Efron 1979) of a figure's mean over seeds, the samples drawn anew, for all seeds the same.

    Args:
        terms: what each sample adds to the sums.
        figure: from sums (..., F) to the figure of each (...).
    """
    seeds, samples, width = terms.shape
    sums = resampled(terms.swapaxes(0, 1).reshape(samples, seeds * width), np.random.default_rng(SEED))
    low, high = np.quantile(figure(sums.reshape(-1, seeds, width)).mean(1), [0.025, 0.975])
    return float(low), float(high)


def resampled(terms: Float[np.ndarray, "N F"], draw: np.random.Generator) -> Float[np.ndarray, "R F"]:
    """The sums of every resample: how often each sample is in it, times what it adds."""
    samples = len(terms)
    step = max(1, CHUNK // samples)
    pieces = [min(step, RESAMPLES - start) for start in range(0, RESAMPLES, step)]
    return np.concatenate([draw.multinomial(samples, np.full(samples, 1 / samples), size=piece) @ terms for piece in pieces])
