"""A split in memory, as tensors, for the modalities that a model reads."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, Shaped
from torch import Tensor

PREPARED, EMBEDDED = Path("data/prepared"), Path("data/embedded")


@dataclass(frozen=True)
class Dataset:
    """Samples along the first axis of every tensor."""

    inputs: dict[str, Tensor]
    """Modality -> array as stored. Where a sample lacks the modality, another's values stand in, so that batch norm sees
    real data only; `present` keeps them from having any other influence."""
    lengths: dict[str, Tensor]
    """Modality -> valid steps (N,), for modalities with a time axis."""
    present: dict[str, Tensor]
    """Modality -> which samples have it (N,)."""
    label: Shaped[Tensor, " N ..."]
    """The targets, as the task made them (see `deconfuse/tasks`)."""

    def __len__(self) -> int:
        return len(self.label)

    def batch(self, index: Int[Tensor, " B"] | slice) -> "Dataset":
        """The samples at `index`, in its order."""
        return replace(
            self,
            inputs={name: x[index] for name, x in self.inputs.items()},
            lengths={name: x[index] for name, x in self.lengths.items()},
            present={name: x[index] for name, x in self.present.items()},
            label=self.label[index],
        )

    def to(self, device: torch.device) -> "Dataset":
        """The same on another device."""
        return replace(
            self,
            inputs={name: x.to(device) for name, x in self.inputs.items()},
            lengths={name: x.to(device) for name, x in self.lengths.items()},
            present={name: x.to(device) for name, x in self.present.items()},
            label=self.label.to(device),
        )

    def usable(self) -> "Dataset":
        """Only the samples that have any of the modalities."""
        return self.batch(torch.stack(list(self.present.values())).any(0).nonzero()[:, 0])


def read(split: str, modalities: list[str], known: list[str]) -> Dataset:
    """A split as `preprocess` and `embed` left it.

    Args:
        split: train, val or test.
        modalities: those to read.
        known: all of the data set's, sorted: the columns of `present.npy`.
    """
    rows = PREPARED / split / "rows"
    there = np.load(rows / "present.npy")
    inputs, lengths, present = {}, {}, {}
    for name in modalities:
        has = there[:, known.index(name)]
        stand_in = np.where(has, np.arange(len(has)), stand_ins(has))
        folder = EMBEDDED / split / name
        inputs[name] = torch.from_numpy(np.load(folder / "values.npy")[stand_in])
        present[name] = torch.from_numpy(has)
        if (folder / "length.npy").exists():
            lengths[name] = torch.from_numpy(np.load(folder / "length.npy")[stand_in]).long()
    return Dataset(inputs, lengths, present, torch.from_numpy(np.load(rows / "label.npy")))


def stand_ins(has: np.ndarray) -> np.ndarray:
    """For every row, one that has the modality, each equally often; row 0 where none has."""
    owners = np.flatnonzero(has)
    return np.resize(owners, len(has)) if len(owners) else np.zeros(len(has), int)
