"""Pictures with something in front."""

import numpy as np
from jaxtyping import UInt8

from deconfuse.corruptions import Corruption

GREY = 128


class Occlusion(Corruption):
    """A grey rectangle of the picture's own proportions, at a random place; the level is the share of the area that it covers."""

    kinds = ("image",)
    told = "a grey rectangle at a random place, which covers the level's share of the picture"

    def worse(
        self, value: UInt8[np.ndarray, "C H W"], length: int | None, level: float, draw: np.random.Generator
    ) -> UInt8[np.ndarray, "C H W"]:
        size = [round(side * level**0.5) for side in value.shape[1:]]
        top, left = (draw.integers(side - covered + 1) for side, covered in zip(value.shape[1:], size, strict=True))
        changed = value.copy()
        changed[:, top : top + size[0], left : left + size[1]] = GREY
        return changed
