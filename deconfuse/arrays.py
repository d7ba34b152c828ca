"""`.npy` files written piece by piece, so that memory is bounded by the piece and not by the data set."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.lib import format as npy


class Growing:
    """A `.npy` file that grows along its first axis; use as a context manager.

    Not a memory map: on a full disk that kills the process, where a plain write raises OSError.
    """

    def __init__(self, path: Path, shape: tuple[int, ...], dtype: str) -> None:
        """`shape` and `dtype` are those of one sample."""
        self.rows, self.shape, self.dtype = 0, shape, np.dtype(dtype)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("w+b")
        self._head()

    def _head(self) -> None:
        # numpy pads the header so that any number of rows fits: it can be written again in place
        self.file.seek(0)
        described = {"descr": npy.dtype_to_descr(self.dtype), "fortran_order": False, "shape": (self.rows, *self.shape)}
        npy.write_array_header_1_0(self.file, described)

    def append(self, samples: np.ndarray) -> None:
        """Add samples (N, ...) of the file's shape and type.

        Raises ValueError for another shape or type.
        """
        if samples.shape[1:] != self.shape or samples.dtype != self.dtype:
            raise ValueError(f"samples of {samples.dtype} {samples.shape[1:]} in a file of {self.dtype} {self.shape}")
        self.file.write(np.ascontiguousarray(samples).data)
        self.rows += len(samples)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._head()
        self.file.close()
