"""Noise in pictures."""

import numpy as np
from jaxtyping import UInt8

from deconfuse.corruptions import Corruption, pixels

MOST = 128


class ImageNoise(Corruption):
    """Gaussian noise of a standard deviation up to half of the range of the pixels, each for itself."""

    kinds = ("image",)
    is_chief = True
    told = "Gaussian noise on every pixel, at level 1 of a standard deviation of half their range"

    def worse(
        self, value: UInt8[np.ndarray, "C H W"], length: int | None, level: float, draw: np.random.Generator
    ) -> UInt8[np.ndarray, "C H W"]:
        return pixels(value + MOST * level * draw.standard_normal(value.shape, np.float32))
