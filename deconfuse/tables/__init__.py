"""A user's own data, read as text: a table, a folder with a folder a class, or a folder that Hugging Face `datasets` saved."""

from difflib import get_close_matches
from pathlib import Path

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import Place
from deconfuse.params.data import Columns, Data, Modality
from deconfuse.tables import columnar, delimited, folder, json_lines
from deconfuse.tables.columns import Chosen, choose
from deconfuse.tables.presence import listing
from deconfuse.tables.records import Records, Table
from deconfuse.tables.rows import Rows

SUFFIXES = {".csv": ",", ".tsv": "\t", ".jsonl": None, ".ndjson": None, ".parquet": None}
PACKED = (".csv", ".tsv", ".jsonl", ".ndjson")


def read_table(data: Data, made: Path, labelled: bool = True) -> Table:
    """The user's data at `data.source`; without `labelled`, rows need no label, and what there is of labels and splits is not read.

    Columns are found at once, rows read when they are asked for; media that come inside a table are then written below `made`,
    at which the paths of those modalities start. Raises UserError where the data as a whole cannot be used.
    """
    path = Path(data.source)
    if path.is_dir() and not columnar.is_saved(path):
        if data.columns != Columns():
            raise UserError(f"data.columns names columns, but {path} is a folder of classes; remove it, or name a table in data.source")
        return folder.open_folder(path, data.encoding)
    records = opened(path, data.encoding)
    chosen = choose(records.columns, data.columns, path, labelled)
    return table(path, records, chosen, made)


def opened(path: Path, encoding: str) -> Records:
    if path.is_dir():
        return columnar.open_saved(path)
    kind = suffix(path)
    if kind == ".parquet":
        return columnar.open_parquet(path)
    if kind in (".jsonl", ".ndjson"):
        return json_lines.open_table(path, encoding)
    return delimited.open_table(path, encoding, str(SUFFIXES[kind]))


def suffix(path: Path) -> str:
    """The table's format by its name. Raises UserError for none, for another, and for what is no file."""
    if not path.exists():
        raise UserError(f"data.source: there is no {path}{nearby(path)}")
    if not path.is_file():
        raise UserError(f"data.source: {path} is neither a file nor a folder")
    name = path.name.lower()
    packed = name.removesuffix(".gz")
    kind = next((kind for kind in SUFFIXES if packed.endswith(kind) and (packed == name or kind in PACKED)), None)
    if kind is None:
        raise UserError(
            f"data.source: {path} is no table that can be read; they end in {', '.join(SUFFIXES)} ({', '.join(PACKED)} also with .gz). "
            "Spreadsheets can be saved as CSV, in UTF-8"
        )
    return kind


def nearby(path: Path) -> str:
    """What there is instead of a path that is not there."""
    if not path.parent.is_dir():
        return f"; there is no folder {path.parent}, either"
    close = get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    return f"{hint}; {path.parent} holds {listing(path.parent)}"


def table(path: Path, records: Records, chosen: Chosen, made: Path) -> Table:
    media = {str(one.column) for one in chosen.modalities.values() if one.kind != "text"}
    folders = {str(one.column): made / name for name, one in chosen.modalities.items() if one.column in media & records.embedded}
    if unusable := sorted((chosen.taken & records.nested) - folders.keys()):
        raise UserError(f"{path}: column {unusable[0]!r} holds nested values where plain ones are needed")
    home = path if path.is_dir() else path.parent
    places = {name: Place(one.kind, start(one, home, made, folders)) for name, one in chosen.modalities.items()}
    others = [name for name in records.columns if name not in chosen.taken | records.embedded | records.nested]
    if left := sorted((records.embedded | records.nested) - chosen.taken):
        records.notes.append(f"columns that hold files or nested values and are no modality are left out: {', '.join(left)}")
    rows = Rows(path, records.columns, chosen, places, others, records.notes)
    return Table(places, others, rows.read(records.read({*chosen.taken, *others}, folders)), records.notes)


def start(modality: Modality, home: Path, made: Path, folders: dict[str, Path]) -> str:
    """The folder at which a modality's paths start."""
    if modality.kind == "text":
        return ""
    return (made if modality.column in folders else home).as_posix()
