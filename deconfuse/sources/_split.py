"""Which row of the embedded data set is in which split, and which rows a limit keeps."""

from typing import NamedTuple

import numpy as np
from numpy.random import default_rng

# where each split ends in a class: 60 % train, 15 % val, 25 % test
ENDS = {"train": 0.6, "val": 0.75, "test": 1.0}


class Group(NamedTuple):
    """Rows, or clips, of one class in one split."""

    split: str
    label: int


class Row(NamedTuple):
    """One row of the table."""

    number: int
    """Which of UCI's digits it shows, 0 to 1796."""
    group: Group

    @property
    def id(self) -> str:
        return f"d{self.number:04d}"


def divide(labels: np.ndarray, seed: int) -> dict[Group, list[int]]:
    """The row numbers of every split and class, each list in an order drawn from the seed."""
    groups = {}
    for label in np.unique(labels).tolist():
        numbers = default_rng([seed, label]).permutation(np.flatnonzero(labels == label))
        ends = [round(end * len(numbers)) for end in ENDS.values()]
        for split, part in zip(ENDS, np.split(numbers, ends[:-1]), strict=True):
            groups[Group(split, label)] = part.tolist()
    return groups


def choose(groups: dict[Group, list[int]], limit: int | None) -> list[Row]:
    """Up to `limit` rows in the order of their numbers: the first two of every group, then equal shares of all groups.

    What a smaller limit chooses, a larger one chooses too.
    """
    turns = [
        (rank if rank < 2 else 2 + rank / len(numbers), group.label, group.split, Row(number, group))
        for group, numbers in groups.items()
        for rank, number in enumerate(numbers)
    ]
    return sorted(row for *_, row in sorted(turns)[:limit])
