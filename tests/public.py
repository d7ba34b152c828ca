"""Public data sets, where this machine has copies of them."""

import importlib
import os
from pathlib import Path

import pytest

from deconfuse.manifest import Row, stream

DATA = Path(os.environ.get("DECONFUSE_DATA") or Path(__file__).resolve().parents[2] / "shared/data")


def needs(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        not (DATA / name).is_dir(), reason=f"there is no copy of {name} in {DATA}; set DECONFUSE_DATA to a folder that has it"
    )


def of(source: str, folder: Path, limit: int | None = None, options: object = None) -> tuple[dict, list[Row]]:
    """What a source says of itself, and its rows, made from the real files."""
    folder.mkdir()
    about = importlib.import_module(f"deconfuse.sources.{source}").make(options, folder, limit, str(DATA))
    return about, list(stream(folder / "manifest.csv", list(about["modalities"])))


def place(cell: str) -> int:
    return int(cell.split("#")[1].split("@")[0])
