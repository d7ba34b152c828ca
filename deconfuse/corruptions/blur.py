"""Pictures out of focus."""

import numpy as np
from jaxtyping import Float, UInt8

from deconfuse.corruptions import Corruption, pixels

MOST = 1 / 8


class Blur(Corruption):
    """A Gaussian blur of a standard deviation up to an eighth of the shorter side; nothing of it is random."""

    kinds = ("image",)
    told = "Gaussian blur, at level 1 of a standard deviation of an eighth of the shorter side"

    def worse(
        self, value: UInt8[np.ndarray, "C H W"], length: int | None, level: float, draw: np.random.Generator
    ) -> UInt8[np.ndarray, "C H W"]:
        height, width = value.shape[1:]
        deviation = MOST * level * min(height, width)
        return pixels(spread(height, deviation) @ value @ spread(width, deviation).T)


def spread(side: int, deviation: float) -> Float[np.ndarray, "side side"]:
    """How much of each pixel along a side goes to each; beyond the edge there is nothing, and what remains is what counts."""
    apart = np.arange(side)[:, None] - np.arange(side)
    weights = np.exp(-0.5 * (apart / deviation) ** 2)
    return weights / weights.sum(1, keepdims=True)
