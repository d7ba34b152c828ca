"""Cells such as `images.npy#17`: one row of an array file, as public sets of many small samples are kept."""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from deconfuse.media import MediaError
from deconfuse.media.files import reason, regular, shown

CELL = re.compile(r"(?P<path>.+\.npy)#(?P<row>\d{1,12})(@(?P<rate>\d{1,9}))?")
"""Path and row, and the rate in hertz where the rows are sounds."""


def packed(cell: str) -> re.Match[str] | None:
    """The parts of a cell that names a row of an array; None for any other."""
    return CELL.fullmatch(cell)


def row(named: re.Match[str], media: Path, dtype: str, axes: tuple[int, ...]) -> np.ndarray:
    """A copy of one row of an array of `dtype` with as many axes as one of `axes`.

    Raises MediaError.
    """
    path = regular(named["path"], media)
    status = path.stat()
    array = mapped(path, named["path"], status.st_mtime_ns, status.st_size)
    if array.dtype != dtype or array.ndim not in axes:
        kind = f"{array.dtype} of {array.ndim} axes"
        raise MediaError(f"{shown(named['path'])} holds {kind}; it must be {dtype} of {' or '.join(map(str, axes))}")
    if int(named["row"]) >= len(array):
        raise MediaError(f"{shown(named['path'])} has no row {named['row']}: it holds {len(array)}, counted from 0")
    return np.array(array[int(named["row"])])


# reading the header costs more than reading a row; time and size are there to notice that a file has changed
@lru_cache(maxsize=16)
def mapped(path: Path, cell: str, time: int, size: int) -> np.ndarray:
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # noqa: BLE001  a damaged header raises anything from SyntaxError to TokenError
        with path.open("rb", buffering=0) as file:
            # not NumPy's words, which advise to unpickle it
            raise reason(cell, "array", "it is cut short, or no plain array of numbers (Python objects are never loaded)", file) from None
