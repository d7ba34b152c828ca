"""Decoding, one file a kind of media: a cell of the table in, an array of one shape (or text) out."""

from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np


class MediaError(Exception):
    """A cell that cannot be used, with the reason in words."""


@dataclass(frozen=True)
class Decoded:
    """What one cell holds."""

    value: np.ndarray | str
    length: int
    """Valid frames or samples; 1 where there is no time axis."""
    digest: bytes
    """16 bytes: equal where the content is equal, whatever the file's name (pictures by pixels, sounds by samples, clips by frames,
    text by its letters without case, width and spacing)."""
    look: bytes = b""
    """Pictures: 32 bytes, of which similar pictures share most bits; b"" for a picture without any contrast."""
    size: dict[str, float] = field(default_factory=dict)
    """Of the original: width and height in pixels, seconds, rate in hertz, channels, frames, characters: as far as it has them."""
    notes: tuple[str, ...] = ()
    """What was done that one may want to know, e.g. "only the first frame of an animation is used"."""


def fingerprint(*parts: bytes) -> bytes:
    """16 bytes, equal for equal parts."""
    # SHA-256, for which processors have instructions: it is twice as fast as BLAKE2 on those
    return sha256(b"".join(parts)).digest()[:16]
