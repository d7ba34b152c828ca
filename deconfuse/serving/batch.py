"""A packaged model's answers to a table.

    python -P -m deconfuse.serving.batch FOLDER TABLE [--output predictions.csv]

TABLE is of any form that `data.source` takes; it needs no labels. The output has a row for each of its rows, in order: `line`, `id`,
`label`, where there are classes the probability of each (`p:CLASS`), and `reason`, why a row has no answer.
"""

import argparse
import csv
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deconfuse.kernel.errors import UserError, command
from deconfuse.kernel.files import whole
from deconfuse.kernel.params import check
from deconfuse.kernel.progress import progress
from deconfuse.kernel.words import plural
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.params.data import Data
from deconfuse.preparing.decoding import decode
from deconfuse.serving.bundle import BUNDLE
from deconfuse.serving.served import Served
from deconfuse.spreadsheet import plain
from deconfuse.tables import read_table

CHUNK = 64


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deconfuse.predict", description="Answer every row of a table.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("table", type=Path)
    parser.add_argument("--output", type=Path, default=Path("predictions.csv"))
    arguments = parser.parse_args()
    served = Served(arguments.folder / BUNDLE)
    with TemporaryDirectory(prefix="deconfuse-") as made, whole(arguments.output) as temporary:
        answered, refused = write(temporary, served, arguments.table, Path(made))
    print(f"{arguments.output}: {plural(answered, 'row')} answered, {refused} not")


def write(path: Path, served: Served, source: Path, made: Path) -> tuple[int, int]:
    """Answer a table into a file; returns how many rows were answered, and how many not."""
    table = read_table(asked(served, source), made, labelled=False)
    places = matching(served, table.modalities, source)
    classes = served.schema["classes"]
    counts = [0, 0]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(["line", "id", "label", *(f"p:{name}" for name in classes), "reason"])
        for row in progress(answers(served, table.rows, places), "predict", unit="row"):
            writer.writerow([row[0], *(plain(cell) if isinstance(cell, str) else cell for cell in row[1:])])
            counts[bool(row[-1])] += 1
    return counts[0], counts[1]


def asked(served: Served, source: Path) -> Data:
    """The table as the data were that the model learnt from: its columns are named alike."""
    told = served.schema["params"]["data"]
    kept = {key: told[key] for key in ("columns", "encoding") if key in told}
    return check(kept | {"source": str(source), "files": str(source.parent)}, Data, "data")


def matching(served: Served, found: dict[str, Place], source: Path) -> dict[str, Place]:
    """The table's modalities that the model reads. Raises UserError where there is none, or one is of another kind."""
    places = {name: found[name] for name in served.kinds if name in found}
    if not places:
        raise UserError(f"{source} has none of the model's modalities {', '.join(served.kinds)}; it has: {', '.join(found) or 'none'}")
    for name, place in places.items():
        if place.kind != served.kinds[name]:
            raise UserError(f"{source}: {name} is {place.kind}, but the model reads {served.kinds[name]}; name its columns in data.columns")
    return places


def answers(served: Served, rows: Iterable[Row | Rejected], places: dict[str, Place]) -> Iterator[list[Any]]:
    """A row of the output for every row of the table."""
    left = iter(rows)
    nothing = [""] * (1 + len(served.schema["classes"]))
    while chunk := list(islice(left, CHUNK)):
        found = [row if isinstance(row, Rejected) else decode(used(row, places), places, served.options) for row in chunk]
        cells = [{name: one.cells.get(name) for name in served.kinds} for one in found if not isinstance(one, Rejected)]
        told = iter(served.of(cells) if cells else [])
        for row, one in zip(chunk, found, strict=True):
            if isinstance(one, Rejected):
                yield [one.line, one.id, *nothing, f"{one.column}: {one.reason}" if one.column else one.reason]
            else:
                answer = next(told)
                yield [
                    row.line,
                    row.id,
                    label(served, answer["label"]),
                    *(f"{p:.6f}" for p in answer.get("probabilities", {}).values()),
                    "",
                ]


def used(row: Row, places: dict[str, Place]) -> Row:
    """A row with the cells that the model reads."""
    return Row(row.line, row.id, row.split, row.label, {name: row.cells[name] for name in places})


def label(served: Served, given: Any) -> str:
    """A label as tables have it."""
    return f"{given:.9g}" if isinstance(given, float) else served.schema["separator"].join(given) if isinstance(given, list) else given


if __name__ == "__main__":
    command(main)
