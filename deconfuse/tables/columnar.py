"""Tables of typed columns, in Arrow's memory format: Parquet files, and folders that Hugging Face `datasets` saved."""

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import read_json
from deconfuse.tables.embedded import placed
from deconfuse.tables.records import Cell, Record, Records
from deconfuse.tables.typed import embeds, names_of, nests, textual

if TYPE_CHECKING:
    import pyarrow as pa

ROWS, ROWS_OF_FILES = 4096, 64
"""Rows in memory at a time; fewer where cells hold whole files."""
SPLIT = "split"


@dataclass(frozen=True)
class Part:
    """One file of a table."""

    path: Path
    schema: "pa.Schema"
    batches: Callable[[int, list[str]], Iterator["pa.RecordBatch"]]
    """Takes the most rows a batch, and the columns."""
    split: str = ""


def open_parquet(path: Path) -> Records:
    """A Parquet file; a row's line is its number, from 1."""
    return records([parquet(path)], path.parent, False)


def open_saved(folder: Path) -> Records:
    """What `save_to_disk` wrote: one data set, or one a split, whose names are then the column `split`."""
    if not (folder / "dataset_dict.json").is_file():
        return records([stream(file) for file in saved_files(folder)], folder, False)
    with damaged(folder / "dataset_dict.json"):
        splits = [str(name) for name in read_json(folder / "dataset_dict.json")["splits"]]
    parts = [stream(file, name) for name in splits for file in saved_files(folder / Path(name).name)]
    return records(parts, folder, True)


def is_saved(folder: Path) -> bool:
    """Whether `datasets` wrote a folder."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def saved_files(folder: Path) -> list[Path]:
    with damaged(folder / "state.json"):
        return [folder / Path(file["filename"]).name for file in read_json(folder / "state.json")["_data_files"]]


@contextmanager
def damaged(path: Path) -> Generator[None]:
    """Turn what Arrow and JSON raise on a damaged file into words; their own rarely name the file."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        said = str(error).strip().split("\n")[0]
        raise UserError(f"{path} is damaged or no such file ({type(error).__name__}: {said})") from None


def parquet(path: Path) -> Part:
    import pyarrow.parquet as pq

    with damaged(path):
        file = pq.ParquetFile(path, page_checksum_verification=True)
        return Part(path, file.schema_arrow, lambda rows, columns: file.iter_batches(rows, columns=columns))


def stream(path: Path, split: str = "") -> Part:
    import pyarrow as pa

    with damaged(path), pa.memory_map(str(path)) as file:
        schema = pa.ipc.open_stream(file).schema
    return Part(path, schema, lambda rows, columns: slices(path, rows, columns), split)


def slices(path: Path, rows: int, columns: list[str]) -> Iterator["pa.RecordBatch"]:
    import pyarrow as pa

    # mapped and not read: only the pages that are looked at take memory
    with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as batches:
        for batch in batches:
            chosen = batch.select(columns)
            yield from (chosen.slice(start, rows) for start in range(0, len(chosen), rows))


def records(parts: list[Part], home: Path, divided: bool) -> Records:
    """The parts one after another; `divided` ones are splits, named in a column of their own."""
    if not parts:
        raise UserError(f"{home} names no file of data; save the data set again")
    schema = parts[0].schema
    with damaged(parts[0].path):
        names, types = list(schema.names), list(schema.types)
    for part in parts[1:]:
        if not part.schema.equals(schema):
            raise UserError(f"{part.path} has other columns or types than {parts[0].path}: {part.schema.names} against {names}")
    notes = [f"column {SPLIT!r} says the split, and not the names of the parts of {home}"] if divided and SPLIT in names else []
    divided = divided and SPLIT not in names

    def read(wanted: set[str], media: dict[str, Path]) -> Iterator[Record]:
        return cells(parts, home, divided, wanted, media)

    return Records(
        [name.strip() for name in names] + [SPLIT] * divided,
        read,
        notes,
        frozenset(name.strip() for name, kind in zip(names, types, strict=True) if embeds(kind)),
        frozenset(name.strip() for name, kind in zip(names, types, strict=True) if nests(kind)),
    )


def cells(parts: list[Part], home: Path, divided: bool, wanted: set[str], media: dict[str, Path]) -> Iterator[Record]:
    """The rows of all parts; files that cells hold are written on the way."""
    for folder in media.values():
        folder.mkdir(parents=True, exist_ok=True)
    line = 0
    for part in parts:
        told = names_of(part.schema)
        text = {
            field.name: textual(field.type, told.get(field.name)) for field in part.schema if field.name.strip() in wanted - media.keys()
        }
        for batch in values(part, [name for name in part.schema.names if name.strip() in wanted], ROWS_OF_FILES if media else ROWS):
            for row in batch:
                line += 1
                found = [cell(row.get(name), text.get(name, str), line, media.get(name.strip()), home) for name in part.schema.names]
                yield line, [*found, *([part.split] * divided)]


def values(part: Part, columns: list[str], rows: int) -> Iterator[list[dict[str, Any]]]:
    """The rows of one batch after another, as Python values."""
    with damaged(part.path):
        for batch in part.batches(rows, columns):
            yield batch.to_pylist()


def cell(value: Any, text: Callable[[Any], Cell], line: int, folder: Path | None, home: Path) -> Cell:
    if value is None:
        return ""
    return placed(value, line, folder, home) if folder else text(value)
