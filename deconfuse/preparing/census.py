"""What `preprocess` saw while it decoded, and the summary of it."""

import re
from array import array
from collections import Counter, defaultdict
from typing import Any

import numpy as np

from deconfuse.kernel.words import plural
from deconfuse.manifest import SPLITS, Rejected, Row
from deconfuse.preparing.decoding import Sample
from deconfuse.verdict.contents import Contents


class Census:
    """Takes in the usable rows one by one; holds a few numbers of each."""

    def __init__(self, kinds: dict[str, str]) -> None:
        """`kinds`: modality -> kind."""
        self.kinds = kinds
        self.ids: list[str] = []
        self.splits: list[str] = []
        self.labels: list[str] = []
        self.targets: list[Any] = []
        self.digests: dict[str, list[bytes | None]] = {name: [] for name in kinds}
        self.looks: dict[str, list[bytes]] = {name: [] for name, kind in kinds.items() if kind == "image"}
        self.sizes: dict[str, dict[str, array]] = {name: defaultdict(lambda: array("f")) for name in kinds}
        self.notes: dict[str, Counter[str]] = {name: Counter() for name in kinds}

    def add(self, row: Row, split: str, target: Any, sample: Sample) -> None:
        self.ids.append(row.id)
        self.splits.append(split)
        self.labels.append(row.label)
        self.targets.append(target)
        for name, cell in sample.cells.items():
            self.digests[name].append(None if cell is None else cell.digest)
            if name in self.looks:
                self.looks[name].append(b"" if cell is None else cell.look)
            if cell is not None:
                self.notes[name].update(cell.notes)
                for fact, number in cell.size.items():
                    self.sizes[name][fact].append(number)

    def contents(self) -> Contents:
        return Contents(self.ids, self.splits, self.labels, self.kinds, self.digests, self.looks)

    def of(self, split: str, keep: np.ndarray) -> np.ndarray:
        """Of the rows of a split, in order, which are kept; `keep` (N,) is of all rows."""
        return keep[np.array(self.splits) == split]

    def targets_of(self, split: str, keep: np.ndarray) -> list[Any]:
        return [target for target, one, kept in zip(self.targets, self.splits, keep, strict=True) if kept and one == split]

    def coverage(self, keep: np.ndarray) -> dict[str, dict[str, int]]:
        """Split -> modality -> rows that have it."""
        counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        for name, digests in self.digests.items():
            for split, digest, kept in zip(self.splits, digests, keep, strict=True):
                counts[split][name] += bool(kept) and digest is not None
        return {split: {name: count[name] for name in self.kinds} for split, count in counts.items()}

    def spans(self) -> dict[str, dict[str, list[float]]]:
        """Modality -> fact of the original (width, seconds ...) -> its least, median and largest value."""
        return {
            name: {fact: [round(float(q), 3) for q in np.quantile(numbers, (0, 0.5, 1))] for fact, numbers in sorted(facts.items())}
            for name, facts in self.sizes.items()
        }

    def remarks(self) -> list[str]:
        """What decoding did that one may want to know."""
        return [f"{name}: {note} ({plural(count, 'cell')})" for name, notes in self.notes.items() for note, count in sorted(notes.items())]


def reasons(rejected: list[Rejected]) -> list[dict[str, Any]]:
    """How often each reason of a rejection stands, most frequent first; what differs from row to row is left out."""
    counts = Counter((one.column, plain(one.reason)) for one in rejected)
    return [{"column": column, "reason": reason, "rows": count} for (column, reason), count in counts.most_common()]


def plain(reason: str) -> str:
    """A reason without the file, value and numbers that it is about: `a/1.png is empty` and `a/2.png is empty` are one."""
    return re.sub(r"\d+", "…", re.sub(r"'[^']*'|\"[^\"]*\"|\S*[/\\]\S*|\S+\.\w{2,5}(?=\s|:|$)", "…", reason))
