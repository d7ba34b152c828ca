"""CSV and TSV: every row has as many cells as the header, and a cell is the text that was written."""

import csv
from collections.abc import Iterator
from pathlib import Path

from deconfuse.kernel.errors import UserError
from deconfuse.tables.plain import lines
from deconfuse.tables.records import Fault, Record, Records

NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def open_table(path: Path, encoding: str, delimiter: str) -> Records:
    """A table whose cells stand between delimiters, quoted by `"` where they hold one or a line end.

    Where the header is one cell only, the delimiter that cuts it into most is taken. A row's line is the one on which it starts.
    """
    notes = []
    found = cut(path, encoding, delimiter)
    if found != delimiter:
        notes.append(f"the cells of {path} stand between {NAMES[found]}, not {NAMES[delimiter]}")
    header = first(path, encoding, found)
    columns = [name.strip() or f"column {place}" for place, name in enumerate(header, 1)]
    return Records(columns, lambda *_: counted(path, encoding, found, len(columns)), notes)


def first(path: Path, encoding: str, delimiter: str) -> list[str]:
    """The header: the first line that is not blank."""
    for line, cells in parsed(path, encoding, delimiter):
        if isinstance(cells, Fault):
            raise UserError(f"{path}, line {line}: the header cannot be read: {cells.reason}")
        return cells
    raise UserError(f"{path} is empty; it must hold a header and a row a sample")


def cut(path: Path, encoding: str, delimiter: str) -> str:
    """The delimiter of a table: that of its suffix, if it cuts the header at all."""
    if width(path, encoding, delimiter) > 1:
        return delimiter
    most, other = max((width(path, encoding, other), other) for other in NAMES)
    return other if most > 1 else delimiter


def width(path: Path, encoding: str, delimiter: str) -> int:
    """Cells of the header; 0 where it makes no sense: `"id";"label"` has quotes inside of cells when commas are looked for."""
    try:
        return len(first(path, encoding, delimiter))
    except UserError:
        return 0


def parsed(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str] | Fault]]:
    """All rows but blank lines, with the line on which each starts."""
    # a cell may hold a book
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines(path, encoding), delimiter=delimiter, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "end of data" in str(error):
                raise UserError(f'{path}, line {start}: a quote (") opens in this row and never closes') from None
            reach = f" (the row runs to line {reader.line_num})" if reader.line_num > start else ""
            yield start, Fault(f'{error}{reach}: a quote inside a quoted cell is written twice ("")')
        else:
            if cells:
                yield start, cells


def counted(path: Path, encoding: str, delimiter: str, width: int) -> Iterator[Record]:
    """The rows below the header; one with too few or too many cells is a fault."""
    rows = parsed(path, encoding, delimiter)
    next(rows)
    for line, cells in rows:
        if isinstance(cells, Fault) or len(cells) == width:
            yield line, cells if isinstance(cells, Fault) else [*cells]
        else:
            quotes = f"; a cell that holds {NAMES[delimiter]} or line ends stands in quotes" if len(cells) > width else ""
            yield line, Fault(f"{len(cells)} cell{'s' * (len(cells) > 1)} where the header has {width}{quotes}")
