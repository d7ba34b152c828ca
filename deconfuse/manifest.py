"""The table that `download` leaves: one row a sample, read as text with nothing guessed."""

import csv
from dataclasses import dataclass
from pathlib import Path

from deconfuse.errors import UserError

SPLITS = ("train", "val", "test")
FIXED = ("id", "split", "label")


@dataclass(frozen=True)
class Row:
    """One sample."""

    line: int
    """Line of the table on which it ends, counted from 1."""
    id: str
    split: str
    label: str
    cells: dict[str, str]
    """Modality -> path of its file, or the text itself; empty where missing."""


def read(path: Path, modalities: list[str]) -> list[Row]:
    """All rows of a manifest, in its order.

    Raises UserError for a table that lacks a column, or a row with a wrong number of fields, a doubled id, an unknown
    split, no label, or no modality at all.
    """
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.reader(file, strict=True)
        try:
            header = next(table, [])
            columns = {name: place for place, name in enumerate(header)}
            lacking = [name for name in (*FIXED, *modalities) if name not in columns]
            if lacking:
                raise UserError(f"{path}: there is no column {', '.join(lacking)}; there are: {', '.join(header)}")
            rows = [parsed(path, table.line_num, columns, fields, modalities) for fields in table]
        except csv.Error as error:
            raise UserError(f"{path}, line {table.line_num}: {error}") from None
    unique(path, rows)
    return rows


def parsed(path: Path, line: int, columns: dict[str, int], fields: list[str], modalities: list[str]) -> Row:
    where = f"{path}, line {line}"
    if len(fields) != len(columns):
        raise UserError(f"{where}: {len(fields)} fields where the header has {len(columns)}; quote cells that hold a comma")
    identity, split, label = (fields[columns[name]] for name in FIXED)
    if split not in SPLITS:
        raise UserError(f"{where}: split is {split!r}, but must be one of {', '.join(SPLITS)}")
    if not identity or not label:
        raise UserError(f"{where}: `id` and `label` must not be empty")
    cells = {name: fields[columns[name]] for name in modalities}
    if not any(cells.values()):
        raise UserError(f"{where}: no modality is there; fill one of {', '.join(modalities)} or take the row out")
    return Row(line, identity, split, label, cells)


def unique(path: Path, rows: list[Row]) -> None:
    seen: dict[str, int] = {}
    for row in rows:
        if row.id in seen:
            raise UserError(f"{path}, line {row.line}: id {row.id!r} stands on line {seen[row.id]} too; ids must differ")
        seen[row.id] = row.line
