"""MNIST's file format, and the sets that come as four such files."""

import gzip
import hashlib
from pathlib import Path

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.sources._fetch import File, fetch
from deconfuse.sources._pictures import Labelled, write

NAMES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
LARGEST = 1 << 28


def plain(path: Path) -> bytes:
    """What a .gz file holds, up to 256 MiB."""
    with gzip.open(path) as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise UserError(f"{path} unpacks to far more than it should; it is not used")
    return content


def sha256_plain(path: Path) -> str:
    """SHA-256 (hex) of what a .gz file holds, however it was packed."""
    return hashlib.sha256(plain(path)).hexdigest()


def read(path: Path) -> np.ndarray:
    """The uint8 array of a gzipped idx file.

    Raises UserError for any other file.
    """
    content = plain(path)
    axes = content[3] if len(content) > 3 and content[:3] == b"\0\0\x08" else 0
    shape = tuple(np.frombuffer(content, ">u4", axes, 4).tolist()) if len(content) >= 4 + 4 * axes else ()
    if not axes or len(content) != 4 + 4 * axes + np.prod(shape, dtype=int):
        raise UserError(f"{path} is no idx file of bytes, or not a whole one")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def arrays(files: dict[str, File], mirror: str | None) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Split -> pictures (N, H, W) and labels (N,) of a set; `files` is by their own names."""
    paths = {name: fetch(file, mirror) for name, file in files.items()}
    return {split: (read(paths[pictures]), read(paths[labels])) for split, (pictures, labels) in NAMES.items()}


def make(files: dict[str, File], classes: list[str], folder: Path, limit: int | None, mirror: str | None) -> None:
    """Write a set's manifest and pictures; `classes` are the names of the labels 0, 1, ..."""
    found = arrays(files, mirror)
    pictures = [
        Labelled(split, classes[label], f"{split}_{number:05d}")
        for split, (_, labels) in found.items()
        for number, label in enumerate(labels.tolist())
    ]
    pixels = np.concatenate([found[split][0] for split in found])
    write(folder, pictures, pixels.__getitem__, limit)
