"""From `data.source` to `data/raw`: a manifest, the rows that cannot be one, and where the media lie."""

import importlib
import os
from collections.abc import Iterable
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import digest_files, digest_json, read_json, whole, write_json
from deconfuse.kernel.lookup import names
from deconfuse.kernel.params import FILE
from deconfuse.limiting import spread
from deconfuse.manifest import Place, Rejected, Row, write_rejected, writing
from deconfuse.params.data import Data
from deconfuse.tables import read_table

HERE = Path(__file__).parent


def is_own(data: Data) -> bool:
    """Whether the data set is the user's. Raises UserError where `data.source` is neither a built-in name nor a path that exists."""
    if data.source in names("sources"):
        return False
    path = Path(data.source)
    # os.path's, which takes a name that is too long for one that is not there
    if not os.path.exists(path):  # noqa: PTH110
        close = get_close_matches(data.source, names("sources"), n=1)
        hint = f", did you mean `{close[0]}`?" if close else ""
        raise UserError(
            f"{FILE}: data.source: {data.source!r} is neither a file or folder nor a built-in data set{hint} "
            f"(looked for {path.absolute()}; built in: {', '.join(names('sources'))})"
        )
    watched = Path(data.files).resolve()
    if watched not in (path.resolve(), *path.resolve().parents):
        raise UserError(
            f"{FILE}: data.files is {data.files}, but data.source lies elsewhere; set it to the folder of your table and media, "
            f"e.g. `files: {path.parent if path.is_file() else path}`, so that DVC sees when they change"
        )
    return True


def kinds(data: Data) -> dict[str, str]:
    """Modality -> kind of the data set, before any row is read. Raises UserError."""
    if is_own(data):
        return {name: place.kind for name, place in read_table(data, Path()).modalities.items()}
    return {name: told["kind"] for name, told in builtin(data).ABOUT["modalities"].items()}


def obtain(data: Data, raw: Path) -> None:
    """Make `raw` hold what params ask for; nothing is done where it does already. Raises UserError."""
    own = is_own(data)
    # what a folder holds is found out by reading it
    known = {"params": wanted(data), "mirror": data.mirror, "code": code(data), "table": table(data)}
    identity = None if own and Path(data.source).is_dir() else digest_json(known)
    if identity is not None and current(raw, identity):
        return
    with whole(raw) as folder:
        folder.mkdir()
        about = of_table(data, folder) if own else made(data, folder)
        about |= {"params": wanted(data), "identity": identity}
        write_json(folder / "source.json", about | {"digest": content(folder)})


def made(data: Data, folder: Path) -> dict[str, Any]:
    """A built-in data set, written by its source."""
    about: dict[str, Any] = {"notes": [], **builtin(data).make(getattr(data, data.source, None), folder, data.limit, data.mirror)}
    write_rejected(folder / "rejected.csv", [])
    return about | {"modalities": {name: asdict(Place(told["kind"])) for name, told in about["modalities"].items()}}


def of_table(data: Data, folder: Path) -> dict[str, Any]:
    """The user's own data set; media stay where they are."""
    found = read_table(data, folder)
    rejected: list[Rejected] = []
    watched, strangers = Path(data.files).resolve(), 0
    media = {modality: place.media for modality, place in found.modalities.items() if place.media and Path(place.media) != folder}
    with writing(folder / "manifest.csv", list(found.modalities), found.others) as manifest:
        for row in limited(found.rows, data.limit):
            if isinstance(row, Rejected):
                rejected.append(row)
            else:
                manifest.add(row)
                strangers += any(outside(row.cells[modality], start, watched) for modality, start in media.items())
    write_rejected(folder / "rejected.csv", rejected)
    # media that came inside the table lie beside the manifest, wherever that is moved to
    places = {name: Place(place.kind, "" if Path(place.media) == folder else place.media) for name, place in found.modalities.items()}
    path = Path(data.source).resolve()
    # a table's own name is often `manifest.csv`
    name = path.name if path.is_dir() else f"{path.parent.name}/{path.name}"
    return {
        "name": name,
        "title": name,
        "licence": "not stated",
        "citation": "",
        "modalities": {name: asdict(place) for name, place in places.items()},
        "notes": [*found.notes, *unwatched(strangers, data.files)],
    }


def outside(cell: str, start: str, watched: Path) -> bool:
    """Whether a cell's path leads out of the folder that DVC watches; links are not followed."""
    # only such a path can
    if not cell.startswith("/") and ".." not in cell:
        return False
    return watched not in Path(os.path.abspath(Path(start, cell))).parents  # noqa: PTH100  resolve() would ask the disk for every row


def unwatched(rows: int, files: str) -> list[str]:
    return [f"{rows:,} rows have media outside data.files ({files}): DVC does not see when these change"] if rows else []


def limited(rows: Iterable[Row | Rejected], limit: int | None) -> Iterable[Row | Rejected]:
    """At most `limit` rows, and all that were rejected."""
    if limit is None:
        return rows
    every = list(rows)
    good = [row for row in every if isinstance(row, Row)]
    chosen = spread([(row.split, row.label) for row in good], limit)
    return [*(one for one in every if isinstance(one, Rejected)), *(good[place] for place in chosen)]


def builtin(data: Data) -> ModuleType:
    return importlib.import_module(f"deconfuse.sources.{data.source}")


def wanted(data: Data) -> dict[str, Any]:
    """The params that decide what the data set holds."""
    return data.model_dump(mode="json", include={"source", "columns", "encoding", "limit", data.source})


def code(data: Data) -> str:
    """Digest of the files that decide what a data set holds, the built-in one's own data included."""
    modules = [HERE / name for name in ("arrays.py", "limiting.py", "manifest.py")]
    modules += [path for folder in ("sources", "tables") for path in (HERE / folder).glob("*.py")]
    own = Path("data/sources") / data.source
    return digest_json([digest_files(HERE, modules), digest_files(own, list(own.glob("*.*")))])


def table(data: Data) -> str | None:
    path = Path(data.source)
    return digest_files(path.parent, [path]) if path.is_file() else None


def content(folder: Path) -> str:
    """Digest of the manifest and all media."""
    return digest_files(folder, [path for path in folder.rglob("*") if path.is_file() and path.name != "source.json"])


def current(raw: Path, identity: str) -> bool:
    """Whether a folder was made from the same params, table and code, and is whole."""
    if not (raw / "source.json").is_file():
        return False
    about = read_json(raw / "source.json")
    return about.get("identity") == identity and about.get("digest") == content(raw)
