"""From the manifest and its media to one array a modality and split, or a verdict why not."""

import csv
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from deconfuse.decoding import Rejected, decoded
from deconfuse.errors import UserError
from deconfuse.manifest import SPLITS, Row
from deconfuse.params.preprocess import Preprocess
from deconfuse.splits import Writer


def prepare(rows: list[Row], media: Path, kinds: dict[str, str], options: Preprocess, folder: Path) -> tuple[list[str], list[Rejected]]:
    """Decode all rows and write their arrays below `folder`.

    Args:
        rows: the manifest.
        media: where its paths start.
        kinds: modality -> kind, sorted by name.
        options: the `preprocess:` section.
        folder: where to write; must be new.

    Returns:
        The classes in order, and what was rejected. Raises UserError where too much was, or a split would be unusable.
    """
    classes = sorted({row.label for row in rows}, key=natural)
    places = {label: place for place, label in enumerate(classes)}
    rejected: list[Rejected] = []
    with ExitStack() as stack:
        writers = {split: Writer(folder / split, kinds, options, stack) for split in SPLITS}
        for row, found in decoded(rows, media, kinds, options):
            if isinstance(found, Rejected):
                rejected.append(found)
            else:
                writers[row.split].add(row, places[row.label], found)
        for writer in writers.values():
            writer.finish()
    judge(rows, rejected, options.max_rejected)
    complete(classes, writers)
    write_rejected(folder / "rejected.csv", rejected)
    return classes, rejected


def natural(label: str) -> tuple[int, float, str]:
    """Numbers by value and before words, so that 10 follows 9."""
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def judge(rows: list[Row], rejected: list[Rejected], most: float) -> None:
    if len(rejected) > most * len(rows):
        first = "\n".join(f"  line {one.line}, {one.column}: {one.reason}" for one in rejected[:10])
        raise UserError(
            f"{len(rejected)} of {len(rows)} rows cannot be used, more than preprocess.max_rejected = {most:g} allows; the first:\n{first}"
        )


def complete(classes: list[str], writers: dict[str, Writer]) -> None:
    if len(classes) < 2:
        raise UserError(
            f"all rows have the label {classes[0]!r}; a classifier needs two classes or more" if classes else "the manifest has no rows"
        )
    for split, writer in writers.items():
        if not writer.ids:
            raise UserError(f"no usable row is in the split {split!r}; name it in the manifest's column `split`")
    counts = Counter(writers["train"].labels)
    unseen = [label for place, label in enumerate(classes) if not counts[place]]
    if unseen:
        raise UserError(f"no training row has the label {', '.join(unseen)}; add some, or take these rows out of the other splits")


def write_rejected(path: Path, rejected: list[Rejected]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["line", "id", "column", "reason"])
        table.writerows([one.line, one.id, one.column, one.reason] for one in rejected)
