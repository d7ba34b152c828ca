"""The table that `download` leaves: one row a sample, all cells text, nothing guessed.

Columns: `line` (of the table it comes from), `id`, `split` ("" where `preprocess` is to choose), `label`, a column a modality
(the text itself, or the path of a file; "" where missing), and `table:<column>` for every other column of that table.
"""

import csv
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import read_json

SPLITS = ("train", "val", "test")
FIXED = ("line", "id", "split", "label")
OTHER = "table:"


@dataclass(frozen=True, slots=True)
class Place:
    """What the cells of a modality are."""

    kind: str
    """audio, image, text or video."""
    media: str = ""
    """Folder at which their relative paths start, itself relative to the project's root or absolute; "" is that of the manifest."""


@dataclass(frozen=True, slots=True)
class Row:
    """One sample."""

    line: int
    """Line of the user's table (rows of a Parquet table, files of a folder), counted from 1."""
    id: str
    split: str
    """train, val, test, or "" where it is to be chosen."""
    label: str
    cells: dict[str, str]
    """Modality -> path of its file, or the text itself; "" where missing."""
    others: dict[str, str] = field(default_factory=dict)
    """The table's other columns."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be used: the cell at fault, and why."""

    line: int
    id: str
    column: str
    reason: str


class Writer:
    """Writes rows one by one; made by `writing`."""

    def __init__(self, file: TextIO, modalities: list[str], others: list[str]) -> None:
        self.modalities, self.others = modalities, others
        # unquoted, a lone carriage return would be read as the end of the row
        self.table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        self.table.writerow([*FIXED, *modalities, *(OTHER + name for name in others)])

    def add(self, row: Row) -> None:
        cells = [row.cells[name] for name in self.modalities]
        self.table.writerow([row.line, row.id, row.split, row.label, *cells, *(row.others.get(name, "") for name in self.others)])


@contextmanager
def writing(path: Path, modalities: list[str], others: list[str]) -> Generator[Writer]:
    """A new manifest; `others` are the names of the table's other columns."""
    with path.open("w", encoding="utf-8", newline="") as file:
        yield Writer(file, modalities, others)


def stream(path: Path, modalities: list[str]) -> Generator[Row]:
    """The rows of a manifest one by one, in its order.

    Raises UserError where it is missing or was damaged.
    """
    csv.field_size_limit(2**31 - 1)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.reader(file, strict=True)
            header = next(table, [])
            fixed = [header.index(name) for name in FIXED]
            media = {name: header.index(name) for name in modalities}
            others = {name.removeprefix(OTHER): place for place, name in enumerate(header) if name.startswith(OTHER)}
            yield from (parsed(fields, len(header), fixed, media, others) for fields in table)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except (csv.Error, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); remove it and run `dvc repro`") from None


def parsed(fields: list[str], width: int, fixed: list[int], media: dict[str, int], others: dict[str, int]) -> Row:
    if len(fields) != width:
        raise ValueError(f"{len(fields)} fields where the header has {width}")
    line, identity, split, label = (fields[place] for place in fixed)
    return Row(
        int(line),
        identity,
        split,
        label,
        {name: fields[place] for name, place in media.items()},
        {name: fields[place] for name, place in others.items()},
    )


def write_rejected(path: Path, rejected: list[Rejected]) -> None:
    """The rows that cannot be used, as a table of line, id, column and reason."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        table.writerow(["line", "id", "column", "reason"])
        table.writerows([one.line, one.id, one.column, one.reason] for one in rejected)


def places(raw: Path) -> dict[str, Place]:
    """What each modality of `data/raw` is and where its media lie, sorted by name. Raises UserError."""
    told = sorted(read_json(raw / "source.json")["modalities"].items())
    # media that came with the data set lie beside its manifest, wherever that was moved to
    return {name: Place(place["kind"], place["media"] or raw.as_posix()) for name, place in told}


def read_rejected(path: Path) -> list[Rejected]:
    """What `write_rejected` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Rejected(int(line), *cells) for line, *cells in list(csv.reader(file))[1:]]
