"""Clips with frames that never came."""

import numpy as np
from jaxtyping import UInt8

from deconfuse.corruptions import Corruption


class DroppedFrames(Corruption):
    """The level's share of the frames is lost, drawn at random: the last one that came is shown in their place, before any came black."""

    kinds = ("video",)
    is_chief = True
    told = "the level's share of the frames is lost, and the last one that came is shown instead"

    def worse(
        self, value: UInt8[np.ndarray, "T C H W"], length: int | None, level: float, draw: np.random.Generator
    ) -> UInt8[np.ndarray, "T C H W"]:
        frames = len(value) if length is None else length
        came = np.ones(len(value), bool)
        came[draw.permutation(frames)[: round(level * frames)]] = False
        last = np.maximum.accumulate(np.where(came, np.arange(len(value)), -1))
        # frames beyond the clip's end all came; black is one more frame, which -1 points at
        return np.concatenate([value, np.zeros_like(value[:1])])[last]
