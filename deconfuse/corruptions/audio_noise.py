"""Noise in sounds."""

import numpy as np
from jaxtyping import Int16

from deconfuse.corruptions import Corruption

BEST, WORST = 30, -10
"""Signal-to-noise ratio in decibels, next to level 0 and at level 1."""


class AudioNoise(Corruption):
    """White noise at a signal-to-noise ratio from 30 dB down to -10 dB, evenly in decibels, as far as the sound is valid; silence stays."""

    kinds = ("audio",)
    is_chief = True
    told = f"white noise at a signal-to-noise ratio of {BEST} dB less {BEST - WORST} dB times the level"

    def worse(self, value: Int16[np.ndarray, " S"], length: int | None, level: float, draw: np.random.Generator) -> Int16[np.ndarray, " S"]:
        changed = value.astype(np.float32)
        sound = changed[:length]
        ratio = 10 ** ((BEST + (WORST - BEST) * level) / 10)
        power = np.square(sound, dtype=np.float64).mean() / ratio
        changed[:length] += np.float32(power**0.5) * draw.standard_normal(len(sound), np.float32)
        return np.clip(np.rint(changed), -32768, 32767).astype(np.int16)
