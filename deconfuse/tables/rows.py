"""From records to rows: what each cell must be, row by row, and what only shows when all were seen."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.tables.columns import Chosen
from deconfuse.tables.presence import Presence
from deconfuse.tables.records import Cell, Fault, Record

SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval", "evaluation"),
}
SPLIT_OF = {"": ""} | {word: split for split, words in SPLITS.items() for word in words}
ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
LISTED = 10


class UnfitError(Exception):
    """A row that cannot be used."""

    def __init__(self, column: str, reason: str) -> None:
        self.column, self.reason = column, reason


class Rows:
    """Reads one table; `read` is to be used once."""

    def __init__(
        self, path: Path, columns: list[str], chosen: Chosen, places: dict[str, Place], others: list[str], notes: list[str]
    ) -> None:
        self.path, self.chosen, self.notes = path, chosen, notes
        self.position = {name: place for place, name in enumerate(columns)}
        self.others = others
        self.seen: dict[str, int] = {}
        self.twice: list[str] = []
        self.stripped: Counter[str] = Counter()
        self.refused: Counter[tuple[str, str]] = Counter()
        self.first = ""
        self.blank = self.good = self.labelled = 0
        self.presence = Presence(path, {name: places[name].media for name in places if places[name].kind != "text"})

    def read(self, records: Iterable[Record]) -> Iterator[Row | Rejected]:
        """The rows of all records but blank ones. Raises UserError where the whole cannot be used, at the latest after the last."""
        for number, (line, cells) in enumerate(records, 1):
            if isinstance(cells, list) and not any(cells):
                self.blank += 1
            else:
                yield self.row(number, line, cells)
        self.judge()

    def row(self, number: int, line: int, cells: list[Cell] | Fault) -> Row | Rejected:
        identity = ""
        try:
            if isinstance(cells, Fault):
                raise UnfitError("", cells.reason)
            identity = self.identity(number, line, cells)
            row = Row(line, identity, self.split(cells), self.label(cells), self.media(cells), self.rest(cells))
        except UnfitError as fault:
            self.refused[fault.column, fault.reason] += 1
            self.first = self.first or f"line {line}"
            return Rejected(line, identity, fault.column, fault.reason)
        self.good += 1
        return row

    def text(self, cells: list[Cell], column: str, strip: bool = True) -> str:
        """A cell of a column that is used: writable text, without surrounding space if it is a name or a path."""
        cell = cells[self.position[column]]
        if isinstance(cell, Fault):
            raise UnfitError(column, cell.reason)
        short = cell.strip() if strip else cell
        # labels, splits and paths of a blank cell are told as missing
        self.stripped[column] += 0 < len(short) < len(cell)
        return writable(column, short)

    def identity(self, number: int, line: int, cells: list[Cell]) -> str:
        if self.chosen.id is None:
            return str(number)
        identity = self.text(cells, self.chosen.id)
        if not identity:
            raise UnfitError(self.chosen.id, "no id")
        if self.seen.setdefault(identity, line) != line:
            self.twice.append(f"{identity!r} in lines {self.seen[identity]} and {line}")
            if len(self.twice) == LISTED:
                raise self.doubled()
        return identity

    def doubled(self) -> UserError:
        listed = "\n".join(f"  {text}" for text in self.twice)
        end = ", the first ten of which are" if len(self.twice) == LISTED else ""
        return UserError(
            f"{self.path} has ids that more than one row has{end}:\n{listed}\n"
            f"Give each row an id of its own, or name another column in params.yaml: data.columns.id"
        )

    def split(self, cells: list[Cell]) -> str:
        if self.chosen.split is None:
            return ""
        word = self.text(cells, self.chosen.split)
        if word.casefold() not in SPLIT_OF:
            raise UnfitError(
                self.chosen.split, f"unknown split {short(word)}; known are {', '.join(filter(None, SPLIT_OF))} and the empty cell"
            )
        return SPLIT_OF[word.casefold()]

    def label(self, cells: list[Cell]) -> str:
        if self.chosen.label is None:
            return ""
        label = self.text(cells, self.chosen.label)
        if not label:
            raise UnfitError(self.chosen.label, "no label")
        self.labelled += 1
        return label

    def media(self, cells: list[Cell]) -> dict[str, str]:
        found = {}
        for name, modality in self.chosen.modalities.items():
            column = str(modality.column)
            found[name] = self.text(cells, column, strip=modality.kind != "text")
            if modality.kind != "text" and ADDRESS.match(found[name]):
                raise UnfitError(column, f"{short(found[name])} is an address, not a file: fetch it first")
        if not any(cell.strip() for cell in found.values()):
            raise UnfitError("", f"no modality is there: nothing in {', '.join(found)}")
        self.presence.look(found)
        return found

    def rest(self, cells: list[Cell]) -> dict[str, str]:
        texts = {name: cells[self.position[name]] for name in self.others}
        return {name: writable(name, cell.text if isinstance(cell, Fault) else cell) for name, cell in texts.items()}

    def judge(self) -> None:
        """What only the whole table shows."""
        if self.twice:
            raise self.doubled()
        rejected = self.refused.total()
        if self.good + rejected == 0:
            raise UserError(f"{self.path} has a header and no rows")
        if self.good == 0:
            raise self.useless(rejected)
        self.presence.judge()
        if self.blank:
            self.notes.append(f"blank rows, left out: {self.blank}")
        self.notes.extend(
            f"column {name!r}: cells with space around them, taken off: {count}" for name, count in self.stripped.items() if count
        )

    def useless(self, rejected: int) -> UserError:
        reasons = "\n".join(f"  {count} x {': '.join(filter(None, fault))}" for fault, count in self.refused.most_common(LISTED))
        if not self.labelled and (self.chosen.label, "no label") in self.refused:
            taken = f"column {self.chosen.label!r} is taken for it (params.yaml: data.columns.label)"
            return UserError(f"{self.path}: not one row has a label; {taken}\n{reasons}")
        return UserError(f"{self.path}: not one of its {rejected} rows can be used (the first is {self.first}):\n{reasons}")


def writable(column: str, text: str) -> str:
    """The text itself, if a file of UTF-8 text can hold it."""
    if "\0" in text:
        raise UnfitError(column, "holds a NUL character")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnfitError(column, "holds half a character (a lone surrogate)") from None
    return text


def short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "...")
