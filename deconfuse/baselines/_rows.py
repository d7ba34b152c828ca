"""Some rows of a split as `preprocess` and `embed` left it on disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from deconfuse.reading.mapping import mapped

CHUNK = 256
MOST = 8192
"""Numbers of a sample that are looked at."""


@dataclass(frozen=True)
class Rows:
    """Rows of a split."""

    root: Path
    """The project's."""
    split: str
    places: Int[np.ndarray, " N"]
    """Which they are, in order."""
    total: int
    """Rows of the whole split."""
    ids: list[str]
    target: Shaped[np.ndarray, "N ..."]
    present: dict[str, Bool[np.ndarray, " N"]]

    def values(self, modality: str, layout: str) -> Shaped[np.ndarray, "N ..."]:
        """What a modality's embedding gave: token ids (N, T), 0 beyond a text's end; or numbers (N, F), at most about 8192 of each."""
        folder = self.root / "data/embedded" / self.split / modality
        found = mapped(folder / "values.npy", self.total)
        pieces = (found[self.places[start : start + CHUNK]] for start in range(0, len(self.places), CHUNK))
        if layout != "tokens":
            return np.concatenate([thinned(np.asarray(piece, np.float32), layout).reshape(len(piece), -1) for piece in pieces])
        length = np.load(folder / "length.npy")[self.places]
        tokens = np.concatenate(list(pieces))
        return np.where(np.arange(tokens.shape[1]) < length[:, None], tokens, 0)


def read(root: Path, split: str, known: list[str], most: int, seed: int) -> Rows:
    """A split's rows; of more than `most`, so many drawn at random.

    Args:
        known: all modalities of the data set, sorted: the columns of `present.npy`.
    """
    folder = root / "data/prepared" / split / "rows"
    ids: list[Any] = json.loads((folder / "id.json").read_text(encoding="utf-8"))
    target, present = (mapped(folder / f"{name}.npy", len(ids)) for name in ("label", "present"))
    places = np.arange(len(target))
    if len(places) > most:
        places = np.sort(np.random.default_rng(seed).choice(len(places), most, replace=False))
    there = {name: np.array(present[places, column]) for column, name in enumerate(known)}
    return Rows(root, split, places, len(ids), [ids[place] for place in places], np.array(target[places]), there)


def thinned(values: Float[np.ndarray, "N ..."], layout: str) -> Float[np.ndarray, "N ..."]:
    """Neighbours averaged in pairs along the longest axis, as often as a sample has too many numbers; of frames along time alone."""
    while values[0].size > MOST:
        axis = 1 if layout == "frames" else 1 + int(np.argmax(values.shape[1:]))
        if values.shape[axis] == 1:
            break
        even = values.shape[axis] // 2 * 2
        pairs = np.moveaxis(values, axis, 1)[:, :even]
        values = np.moveaxis((pairs[:, ::2] + pairs[:, 1::2]) / 2, 1, axis)
    return values
