"""From `data/raw` and its media to one array a modality and split, and a verdict on what was found."""

import sys
from contextlib import ExitStack
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import digest_files, read_json, write_json
from deconfuse.manifest import SPLITS, Rejected, Row, places, read_rejected, stream, write_rejected
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.census import Census, reasons
from deconfuse.preparing.decoding import decoded
from deconfuse.preparing.splitting import divide
from deconfuse.preparing.writing import Writer, form
from deconfuse.tasks import LabelError
from deconfuse.tasks._auto import Resolved, resolve
from deconfuse.verdict import stop, warnings
from deconfuse.verdict.duplicates import leaking

SHOWN = 10


def prepare(raw: Path, options: Preprocess, folder: Path | None) -> dict[str, Any]:
    """Decode all rows of `raw`; write their arrays, `schema.json`, `summary.json` and `rejected.csv`.

    Args:
        raw: what `download` left.
        options: the `preprocess:` section.
        folder: where to write, new and empty; None writes nothing, but checks all the same.

    Returns:
        The summary: what the data set holds, and what was noticed. Raises UserError where nothing can be learnt from it.
    """
    source, where = read_json(raw / "source.json"), places(raw)
    table, rejected = partial(stream, raw / "manifest.csv", list(where)), read_rejected(raw / "rejected.csv")
    # cells may be long: they are read again when they are decoded
    rows = [outline(row, options.group_by) for row in table()]
    kinds = {name: place.kind for name, place in where.items()}
    total = len(rows) + len(rejected)
    chosen = resolve(options.task, [row.label for row in rows])
    classes = chosen.task.classes([row.label for row in rows])
    targets = aimed(rows, chosen, classes, rejected)
    usable = [target is not None for target in targets]
    rows = list(compress(rows, usable))
    if not rows:
        # else wait: a person wants to hear of what is wrong with the media at the same time
        enough(total, rejected, 0)
    divided = divide(rows, options, chosen.task)
    stop([row.label for row in rows], divided.splits, chosen.task)
    count = len(rows)
    # their room is for what is found in them
    del rows
    census = Census(kinds)
    with ExitStack() as stack:
        writers = {} if folder is None else {split: Writer(folder / split, kinds, options, stack) for split in SPLITS}
        pairs = zip(divided.splits, compress(targets, usable), strict=True)
        found_rows = decoded(compress(table(), usable), count, where, options)
        for (row, found), (split, target) in zip(found_rows, pairs, strict=True):
            if isinstance(found, Rejected):
                rejected.append(found)
                continue
            census.add(row, split, target, found)
            if writers:
                writers[split].add(row.id, target, found.cells)
    enough(total, rejected, options.max_rejected)
    contents = census.contents()
    keep = ~leaking(contents, options.leaks)
    left = [place for place, stays in enumerate(keep) if stays]
    # once more: what was rejected or left out may have been all of a split or a class
    stop([census.labels[place] for place in left], [census.splits[place] for place in left], chosen.task)
    answers = {split: np.array(census.targets_of(split, keep), chosen.task.dtype) for split in SPLITS}
    facts = chosen.task.facts(answers["train"], classes)
    summary = {
        "source": {key: source.get(key) for key in ("name", "title", "licence", "citation")},
        "rows": {split: len(answer) for split, answer in answers.items()},
        "classes": {split: dict(zip(classes, chosen.task.counts(answer, classes), strict=True)) for split, answer in answers.items()},
        "coverage": census.coverage(keep),
        "sizes": census.spans(),
        "task": {"name": chosen.name, "reason": chosen.reason},
        "split": divided.how,
        "rejected": len(rejected),
        "reasons": reasons(rejected),
        "notes": [*source["notes"], *divided.notes, *census.remarks()],
        "warnings": [{"code": one.code, "text": one.text, "rows": one.rows} for one in warnings(contents, chosen.task, options.leaks)],
    }
    if folder is not None:
        for split, writer in writers.items():
            writer.finish(chosen.task.dtype, census.of(split, keep))
        write_json(folder / "schema.json", schema(folder, source, kinds, options, {"task": chosen.name, **facts}))
        write_rejected(folder / "rejected.csv", sorted(rejected, key=lambda one: one.line))
        write_json(folder / "summary.json", summary)
    return summary


def outline(row: Row, group_by: str | None) -> Row:
    """A row without its cells, but for the group's."""
    every = row.others | row.cells if group_by else {}
    # a column that is not there is named beside those that are
    kept = {group_by: every[group_by]} if group_by in every else dict.fromkeys(every, "")
    return Row(row.line, row.id, row.split, sys.intern(row.label), {}, kept)


def aimed(rows: list[Row], chosen: Resolved, classes: list[str], rejected: list[Rejected]) -> list[Any]:
    """The target of each row; None where its label is none of the task's, and the row joins `rejected`."""
    order = {label: place for place, label in enumerate(classes)}
    targets = []
    for row in rows:
        try:
            targets.append(chosen.task.target(row.label, order))
        except LabelError as reason:
            targets.append(None)
            rejected.append(Rejected(row.line, row.id, "label", str(reason)))
    return targets


def schema(folder: Path, source: dict, kinds: dict[str, str], options: Preprocess, task: dict[str, Any]) -> dict[str, Any]:
    """What later stages must know, nothing of the test split."""
    return task | {
        "modalities": {name: form(kind, options) | {"name": name} for name, kind in kinds.items()},
        "digest": {split: digest_files(folder, list((folder / split / "rows").iterdir())) for split in ("train", "val")},
        "params": {"data": source["params"], "preprocess": options.model_dump(mode="json", exclude={"workers"})},
    }


def enough(total: int, rejected: list[Rejected], most: float) -> None:
    """Raise UserError, with the first reasons and the count of each, where too many rows are rejected."""
    if len(rejected) <= most * total:
        return
    first = [f"  line {one.line}{one.id and f' ({one.id})'}{one.column and f', {one.column}'}: {one.reason}" for one in rejected[:SHOWN]]
    counts = [f"  {one['rows']} x {one['column'] and one['column'] + ': '}{one['reason']}" for one in reasons(rejected)[:SHOWN]]
    raise UserError(
        f"{len(rejected)} of {total} rows cannot be used, more than preprocess.max_rejected = {most:g} allows\n"
        + "\n".join(["the first:", *first, "by reason:", *counts])
    )
