"""Check all params, then bring the data set into one common form.

    python -m stages.download

Reads `params.yaml` as a whole: this stage runs before all others whenever a param changes, so that a wrong one stops the
pipeline before anything is lost. Writes `data/raw/`: `manifest.csv` (id, split, label, a column a modality), `source.json`
(name, licence, modalities, where media lie) and the media that the source makes.
"""

import importlib
from pathlib import Path

from deconfuse.errors import command
from deconfuse.files import digest_files, digest_json, read_json, whole, write_json
from deconfuse.params import read as read_params
from deconfuse.params.data import Data
from deconfuse.validation import validate

RAW = Path("data/raw")


def main() -> None:
    data = read_params("data", Data)
    source = importlib.import_module(f"deconfuse.sources.{data.source}")
    validate({name: about["kind"] for name, about in source.ABOUT["modalities"].items()})
    options = getattr(data, data.source)
    wanted = {"limit": data.limit, data.source: options.model_dump(mode="json")}
    # DVC keeps this folder between runs: what it holds may already be what is wanted
    identity = digest_json({"params": wanted, "code": digest_files(Path(), made_by(data.source))})
    if current(identity):
        return
    with whole(RAW) as folder:
        folder.mkdir()
        about = source.make(options, folder, data.limit)
        about |= {"name": data.source, "media": RAW.as_posix(), "params": wanted, "identity": identity}
        write_json(folder / "source.json", about | {"digest": content(folder)})


def made_by(source: str) -> list[Path]:
    """The files that decide what a source makes."""
    return [path for place in (Path("deconfuse/sources"), Path("data/sources") / source) for path in place.glob("*.*")]


def content(folder: Path) -> str:
    """Digest of the manifest and all media."""
    return digest_files(folder, [path for path in folder.rglob("*") if path.is_file() and path.name != "source.json"])


def current(identity: str) -> bool:
    """Whether `data/raw` was made from the same params and code, and is whole."""
    if not (RAW / "source.json").is_file():
        return False
    about = read_json(RAW / "source.json")
    return about.get("identity") == identity and about.get("digest") == content(RAW)


if __name__ == "__main__":
    command(main)
