"""What every corruption keeps to: prepared values in, the same values made worse by a level from 0 (as they are) to 1.

Values are as `preprocess` leaves them: pictures uint8 (C, H, W), sounds int16 (samples,), clips uint8 (T, C, H, W), texts. How an item is
changed depends on nothing but its key, the level and a seed: not on its place, on other items or on earlier calls.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
from jaxtyping import Int

STEPS = 1_000_000
"""Levels that differ by less than one part in so many have the same luck."""


class Corruption(ABC):
    """One way in which data gets worse."""

    kinds: ClassVar[tuple[str, ...]]
    """Kinds of media that it changes."""
    is_chief: ClassVar[bool] = False
    """Whether it is what its kinds get where all modalities get worse at once; of each kind one is."""
    told: ClassVar[str]
    """What a level means, in words."""

    def __call__(
        self, values: Sequence[Any] | np.ndarray, length: Int[np.ndarray, " N"] | None, keys: Sequence[str], level: float, seed: int = 0
    ) -> Sequence[Any] | np.ndarray:
        """Items made worse; the values that come in stay, and at level 0 they are what comes out.

        Args:
            values: N items; of texts a missing one is None, and stays.
            length: valid steps of each, where there is a time axis.
            keys: of each item, by which its luck is drawn: another one's is another's.
            level: 0 to 1.
            seed: another one is other luck for all.
        """
        if level == 0:
            return values
        steps = [None] * len(keys) if length is None else length.tolist()
        changed = [
            value if value is None else self.worse(value, valid, level, luck(key, level, seed))
            for value, valid, key in zip(values, steps, keys, strict=True)
        ]
        return np.stack(changed) if isinstance(values, np.ndarray) else changed

    @abstractmethod
    def worse(self, value: Any, length: int | None, level: float, draw: np.random.Generator) -> Any:
        """One item made worse by a level above 0; a new value of the same shape and type."""


def luck(key: str, level: float, seed: int) -> np.random.Generator:
    """The random numbers of an item at a level."""
    return np.random.default_rng([seed, round(level * STEPS), crc32(key.encode())])


def pixels(values: np.ndarray) -> np.ndarray:
    """Numbers as uint8, those outside of 0 to 255 at its ends."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
