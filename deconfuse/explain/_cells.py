"""Maps small enough for a table."""

import numpy as np
from jaxtyping import Float

SIDE, STEPS, BANDS = 32, 64, 16
"""Most cells along a side of a picture and along a sound's time; of frames, of a clip or of tokens; along a sound's pitch."""


def pictured(cells: Float[np.ndarray, "H W"], rows: int = SIDE, columns: int = SIDE) -> Float[np.ndarray, "R C"]:
    """A map of at most so many rows and columns: the sums of blocks of neighbours, of which the last ones may be smaller."""
    for axis, most in enumerate((rows, columns)):
        size = cells.shape[axis]
        cells = np.add.reduceat(cells, np.arange(0, size, -(-size // most)), axis=axis)
    return cells


def reduced(cells: Float[np.ndarray, "..."], layout: str, is_sound: bool) -> Float[np.ndarray, "R C"]:
    """A sample's map as rows and columns: a picture as it is, of a sound the bands (low first) by time, all else one row of steps."""
    if layout == "image":
        return pictured(cells)
    if layout == "tokens":
        return cells[None, :STEPS]
    if is_sound:
        return pictured(cells.T, BANDS, SIDE)
    return pictured(cells.reshape(1, len(cells), -1).sum(2), 1, STEPS)
