"""Sets of pictures of one size: one array file, and a manifest that points into it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from deconfuse.arrays import Growing
from deconfuse.kernel.progress import progress
from deconfuse.limiting import spread
from deconfuse.manifest import Row, writing


class Labelled(NamedTuple):
    """One picture of a set, but for its pixels."""

    split: str
    label: str
    id: str


def write(folder: Path, pictures: list[Labelled], pixels: Callable[[int], np.ndarray], limit: int | None) -> None:
    """Write `images.npy`, uint8 (N, H, W) or (N, H, W, 3), and `manifest.csv` of at most `limit` pictures.

    `pixels` gives the array of the picture at a place in `pictures`.
    """
    kept = spread([(picture.split, picture.label) for picture in pictures], limit)
    with (
        writing(folder / "manifest.csv", ["image"], []) as manifest,
        Growing(folder / "images.npy", pixels(kept[0]).shape, "uint8") as array,
    ):
        for row, place in enumerate(progress(kept, "pictures", unit="picture")):
            split, label, name = pictures[place]
            array.append(pixels(place)[None])
            manifest.add(Row(place + 1, name, split, label, {"image": f"images.npy#{row}"}))
