"""What `preprocess` left of a modality, before any embedding."""

import json
from pathlib import Path

import numpy as np

from deconfuse.embeddings import Values

PREPARED = Path("data/prepared")


def values(split: str, modality: str) -> Values:
    """The values of a modality: an array, mapped and not read, or texts, None where missing."""
    folder = PREPARED / split / modality
    if (folder / "values.npy").exists():
        return np.load(folder / "values.npy", mmap_mode="r")
    # not splitlines(): that takes U+2028 inside a text for the end of a line
    with (folder / "values.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def lengths(split: str, modality: str) -> np.ndarray | None:
    """The valid steps of each row, where there is a time axis."""
    path = PREPARED / split / modality / "length.npy"
    return np.load(path) if path.exists() else None
