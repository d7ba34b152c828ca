"""What passes between the steps of reading a table: its records, and the rows that are made of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from deconfuse.manifest import Place, Rejected, Row


@dataclass(frozen=True)
class Table:
    """What a user's data hold. Only the columns are read at first; reading `rows` reads the rest, once."""

    modalities: dict[str, Place]
    """Modality -> what its cells are."""
    others: list[str]
    """The table's other columns, as the rows' `others` name them."""
    rows: Iterator[Row | Rejected]
    """The rows in their order; raises UserError where the whole cannot be used."""
    notes: list[str]
    """What a person should know, in words; complete when the last row was read."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A cell or a row that is no text, with the reason in words."""

    reason: str
    text: str = ""
    """What stands for it in a column that nothing is done with."""


Cell = str | Fault
Record = tuple[int, list[Cell] | Fault]
"""Line, and a cell a column (or why there are none)."""


@dataclass(frozen=True)
class Records:
    """A table before anyone has asked what its columns mean."""

    columns: list[str]
    """Names, stripped of surrounding space."""
    read: Callable[[set[str], dict[str, Path]], Iterator[Record]]
    """Starts reading; takes the columns that are wanted (others may be left empty), and column -> new folder for the media files
    that its cells hold."""
    notes: list[str]
    embedded: frozenset[str] = frozenset()
    """Columns whose cells may hold files and not their paths."""
    nested: frozenset[str] = frozenset()
    """Columns whose cells are never plain values, nor lists of them."""
