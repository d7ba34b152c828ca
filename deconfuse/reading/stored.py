"""A split as `preprocess` and `embed` left it on disk: large arrays are mapped, not read."""

import mmap
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from deconfuse.model.dataset import Dataset, Index
from deconfuse.reading.mapping import mapped

PREPARED, EMBEDDED = Path("data/prepared"), Path("data/embedded")


@dataclass(frozen=True)
class Stored:
    """A modality's array on disk."""

    values: Shaped[np.ndarray, "R ..."]
    """The file, mapped."""
    rows: Int[np.ndarray, " N"]
    """Which of its rows is that of each sample."""

    @property
    def nbytes(self) -> int:
        """What all samples would take in memory."""
        return len(self.rows) * self.values.itemsize * int(np.prod(self.values.shape[1:]))

    @property
    def dtype(self) -> torch.dtype:
        return torch.from_numpy(np.empty(0, self.values.dtype)).dtype

    def gather(self, index: Index, is_pinned: bool) -> Shaped[Tensor, "B ..."]:
        """Read the samples at `index`, in its order, into memory; where that is pinned a GPU can fetch it by itself."""
        rows = self.rows[index if isinstance(index, slice) else index.numpy()]
        found = torch.empty((len(rows), *self.values.shape[1:]), dtype=self.dtype, pin_memory=is_pinned)
        # all without Python's lock. clip: "raise" would gather into a copy first, and the rows are known to be there
        np.take(self.values, rows, 0, out=found.numpy(), mode="clip")
        if isinstance(self.values.base, mmap.mmap):
            # what was read stays in the system's cache, as long as that has room, and no longer counts as this process's memory
            self.values.base.madvise(mmap.MADV_DONTNEED)
        return found


@dataclass(frozen=True)
class Split:
    """A split, for the modalities that a model reads."""

    rows: Dataset
    """Its samples without inputs."""
    arrays: dict[str, Stored]
    """Modality -> its inputs."""

    def __len__(self) -> int:
        return len(self.rows)

    def usable(self) -> "Split":
        """Only the samples that have any of the modalities."""
        places = torch.stack(list(self.rows.present.values())).any(0).nonzero()[:, 0]
        arrays = {name: replace(stored, rows=stored.rows[places.numpy()]) for name, stored in self.arrays.items()}
        return Split(self.rows.batch(places), arrays)


def read(split: str, modalities: list[str], known: list[str]) -> Split:
    """A split.

    Args:
        split: train, val or test.
        modalities: those to read.
        known: all of the data set's, sorted: the columns of `present.npy`.

    Raises UserError where a file is cut off or does not fit the others.
    """
    rows = PREPARED / split / "rows"
    there = np.load(rows / "present.npy")
    arrays, lengths, present = {}, {}, {}
    for name in modalities:
        has, folder = there[:, known.index(name)], EMBEDDED / split / name
        stand_in = np.where(has, np.arange(len(has)), stand_ins(has))
        arrays[name] = Stored(mapped(folder / "values.npy", len(has)), stand_in)
        present[name] = torch.from_numpy(has)
        if (folder / "length.npy").exists():
            lengths[name] = torch.from_numpy(np.load(folder / "length.npy")[stand_in]).long()
    return Split(Dataset({}, lengths, present, torch.from_numpy(np.load(rows / "label.npy"))), arrays)


def stand_ins(has: np.ndarray) -> np.ndarray:
    """For every row, one that has the modality, each equally often; row 0 where none has."""
    owners = np.flatnonzero(has)
    return np.resize(owners, len(has)) if len(owners) else np.zeros(len(has), int)
