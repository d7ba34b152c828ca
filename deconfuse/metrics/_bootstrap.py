"""Intervals of figures that are made of sums over samples.

Axes: R resamples, others as in the package's contract.
"""

from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from jaxtyping import Float

SEED = 0
CHUNK = 2_000_000
"""Counts held at a time: 16 MB."""
GROUPS = 10_000
"""Samples that are drawn one by one; of more, as many groups of them are."""
ENDS = (0.025, 0.975)
Figures = Callable[[np.ndarray], dict[str, np.ndarray]]
"""From sums (..., F) the figures by name, of each (...)."""


def intervals(parts: Float[np.ndarray, "S N F"], figures: Figures, resamples: int) -> dict[str, tuple[float, float]]:
    """By name the 95 % interval over samples of each figure's mean over seeds, the samples drawn anew (Efron 1979), for all seeds the same.

    Bias-corrected and accelerated: Efron (1987). A figure that is the same in every resample has none: it is the samples that lack
    what would tell how sure it is.

    Args:
        parts: what each sample adds to the sums.
        resamples: how many.
    """
    if parts.shape[1] < 2:
        return {}
    drawn = grouped(parts)
    total = drawn.sum(1)
    value = means(figures, total[None])
    draws = together([means(figures, sums) for sums in resampled(drawn, resamples)])
    without = together([means(figures, total - piece) for piece in pieces(drawn)])
    found = {name: interval(float(value[name][0]), draws[name], without[name]) for name in value}
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def interval(value: float, draws: Float[np.ndarray, " R"], without: Float[np.ndarray, " N"]) -> tuple[float, float] | None:
    """Of a figure, from its values in resamples and those without each sample in turn."""
    if np.isnan(value) or np.ptp(draws) <= 1e-12 * abs(value):
        return None
    normal = NormalDist()
    share = float((draws < value).mean() + (draws == value).mean() / 2)
    # a bias beyond these would put the interval beside the value
    bias = normal.inv_cdf(min(max(share, ENDS[0]), ENDS[1]))
    pull = without.mean() - without
    skew = float((pull**3).sum() / (6 * max((pull**2).sum() ** 1.5, np.finfo(float).tiny)))
    at = [bias + normal.inv_cdf(end) for end in ENDS]
    low, high = np.quantile(draws, [normal.cdf(bias + place / (1 - skew * place)) for place in at])
    return min(value, float(low)), max(value, float(high))


def means(figures: Figures, sums: Float[np.ndarray, "R S F"]) -> dict[str, Float[np.ndarray, " R"]]:
    """Of each figure the mean over seeds."""
    return {name: values.mean(1) for name, values in figures(sums).items()}


def together(found: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def grouped(parts: Float[np.ndarray, "S N F"]) -> Float[np.ndarray, "S G F"]:
    """The sums of random groups, as even as can be (Mahalanobis 1946), where there are more samples than groups.

    Drawing groups anew varies a figure as drawing their samples does, in a time that the number of samples does not rule.
    """
    samples = parts.shape[1]
    if samples <= GROUPS:
        return parts
    order = np.random.default_rng(SEED).permutation(samples)
    return np.add.reduceat(parts[:, order], np.arange(GROUPS) * samples // GROUPS, axis=1)


def resampled(parts: Float[np.ndarray, "S N F"], resamples: int) -> Iterator[Float[np.ndarray, "R S F"]]:
    """The sums of resamples, some at a time: how often each sample is in one, times what it adds."""
    seeds, samples, width = parts.shape
    terms, draw = parts.swapaxes(0, 1).reshape(samples, -1), np.random.default_rng(SEED)
    step = max(1, CHUNK // samples)
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        # one count of all is many times faster than a multinomial draw of each
        places = draw.integers(samples, size=(size, samples)) + samples * np.arange(size)[:, None]
        counts = np.bincount(places.ravel(), minlength=size * samples).reshape(size, samples)
        yield (counts @ terms).reshape(size, seeds, width)


def pieces(parts: Float[np.ndarray, "S N F"]) -> Iterator[Float[np.ndarray, "N S F"]]:
    """Samples first, some at a time."""
    step = max(1, CHUNK // max(1, parts.shape[0] * parts.shape[2]))
    for start in range(0, parts.shape[1], step):
        yield parts[:, start : start + step].swapaxes(0, 1)
