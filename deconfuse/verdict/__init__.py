"""What is wrong with a data set: so wrong that nothing can be learnt (`stop`), or that its figures mean something else (`warnings`)."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import SPLITS
from deconfuse.tasks import Task
from deconfuse.verdict import findings
from deconfuse.verdict.contents import Contents
from deconfuse.verdict.duplicates import leaking
from deconfuse.verdict.findings import Finding, class_counts

FEW = 2
"""Rows of a class, without which it cannot be both learnt and judged."""


def stop(labels: Sequence[str], splits: Sequence[str], task: Task) -> None:
    """Raise UserError where no model could be trained, chosen or judged on these rows.

    Args:
        labels: of all rows, such that the task can read them.
        splits: of the same rows.
        task: says what must be there to be learnt.
    """
    if not labels:
        raise UserError("the data set has no row that can be used")
    chosen = Counter(splits)
    if not chosen["train"]:
        raise UserError(f"no row is in the split 'train' ({spelled(chosen)}): there is nothing to learn from")
    learnable([label for label, split in zip(labels, splits, strict=True) if split == "train"], task.classes(list(labels)), task)
    rare = [name for name, count in class_counts(labels, task).items() if count < FEW]
    if rare:
        raise UserError(
            f"fewer than {FEW} rows have the label {listed(rare)}: too few to learn it and to judge it; "
            "add rows, join it with another label, or take these rows out"
        )
    for split in SPLITS:
        if not chosen[split]:
            raise UserError(
                f"no usable row is in the split {split!r} ({spelled(chosen)}); name it in the column `split` of some rows, "
                "or leave that column empty and add rows, or give preprocess.split larger shares"
            )


def learnable(labels: list[str], classes: list[str], task: Task) -> None:
    """Raise UserError where nothing can be learnt from the train split's labels."""
    places = {name: place for place, name in enumerate(classes)}
    task.facts(np.array([task.target(label, places) for label in labels], task.dtype), classes)


def spelled(chosen: Counter[str]) -> str:
    return "rows: " + ", ".join(f"{chosen[split]} in {split}" for split in SPLITS)


def listed(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def warnings(contents: Contents, task: Task, policy: Literal["error", "drop", "keep"]) -> list[Finding]:
    """All that a reader of the figures should know, gravest first; `policy` is `preprocess.leaks`, whose rows are left out by `drop`."""
    dropped = leaking(contents, policy)
    kept = contents.kept(~dropped)
    return [
        *findings.leaked(contents, int(dropped.sum()), policy),
        *findings.near_duplicates(kept),
        *findings.conflicting(kept, task),
        *findings.disguises(kept, task),
        *findings.spellings(kept, task),
        *findings.absences(kept),
        *findings.constants(kept),
        *findings.imbalance(kept, task),
        *findings.shared_texts(kept),
        *findings.duplicated(kept),
    ]
