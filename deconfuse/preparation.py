"""From the manifest and its media to one array a modality and split, or a verdict why not."""

import csv
from contextlib import ExitStack
from pathlib import Path

from deconfuse.decoding import Rejected, decoded
from deconfuse.errors import UserError
from deconfuse.lookup import part
from deconfuse.manifest import SPLITS, Row
from deconfuse.params.preprocess import Preprocess
from deconfuse.splits import Writer
from deconfuse.tasks import LabelError, Task


def prepare(
    rows: list[Row], media: Path, kinds: dict[str, str], options: Preprocess, folder: Path
) -> tuple[Task, list[str], list[Rejected]]:
    """Decode all rows and write their arrays below `folder`.

    Args:
        rows: the manifest.
        media: where its paths start.
        kinds: modality -> kind, sorted by name.
        options: the `preprocess:` section.
        folder: where to write; must be new.

    Returns:
        The task, its classes in order, and what was rejected. Raises UserError where too much was, or a split would be empty.
    """
    task: Task = part("tasks", options.task.name)(**options.task.arguments())
    classes = task.classes([row.label for row in rows])
    places = {label: place for place, label in enumerate(classes)}
    rejected: list[Rejected] = []
    with ExitStack() as stack:
        writers = {split: Writer(folder / split, kinds, options, stack) for split in SPLITS}
        for row, found in decoded(rows, media, kinds, options):
            if isinstance(found, Rejected):
                rejected.append(found)
                continue
            try:
                writers[row.split].add(row, task.target(row.label, places), found)
            except LabelError as reason:
                rejected.append(Rejected(row.line, row.id, "label", str(reason)))
        for writer in writers.values():
            writer.finish(task.dtype)
    judge(rows, rejected, options.max_rejected)
    filled(writers)
    write_rejected(folder / "rejected.csv", rejected)
    return task, classes, rejected


def judge(rows: list[Row], rejected: list[Rejected], most: float) -> None:
    if len(rejected) > most * len(rows):
        first = "\n".join(f"  line {one.line}, {one.column}: {one.reason}" for one in rejected[:10])
        raise UserError(
            f"{len(rejected)} of {len(rows)} rows cannot be used, more than preprocess.max_rejected = {most:g} allows; the first:\n{first}"
        )


def filled(writers: dict[str, Writer]) -> None:
    for split, writer in writers.items():
        if not writer.ids:
            raise UserError(f"no usable row is in the split {split!r}; name it in the manifest's column `split`")


def write_rejected(path: Path, rejected: list[Rejected]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["line", "id", "column", "reason"])
        table.writerows([one.line, one.id, one.column, one.reason] for one in rejected)
