"""CIFAR-10: 60,000 colour pictures, 32 x 32, of ten classes; 50,000 to train with and 10,000 to test.

The original is read in its binary form, since the one made for Python can run code when read. A mirror may hold a JPEG copy instead: its
pictures are not the original's, to the pixel, and it is called what it is. The original's hash is the MD5 that its page gives, not checked
against a copy here; the JPEG copy's is over names and contents of its files, computed from one.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from deconfuse.kernel.errors import UserError
from deconfuse.sources._fetch import Content, File, first, md5
from deconfuse.sources._pictures import Labelled, write
from deconfuse.sources._unpack import digest, members

ABOUT = {
    "name": "cifar10",
    "title": "CIFAR-10",
    "licence": "none stated; customarily used for research",
    "citation": "Krizhevsky, A. (2009). Learning multiple layers of features from tiny images. Technical report, University of Toronto. "
    "https://www.cs.toronto.edu/~kriz/cifar.html",
    "modalities": {"image": {"kind": "image"}},
}
ORIGINAL = File(
    "cifar10/cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    Content(md5, "c32a1d4ab5d03f1284b67883e8d87530"),
)
COPY = File(
    "cifar10/cifar10_jpeg_full60k.tar.xz",
    (),
    Content(lambda path: digest(members(path)), "e38e432e2803652cff8e0b10c920eb20927b166819626d3de5ba2a7909b81b49"),
)
NOTE = "the pictures are a JPEG copy of CIFAR-10 (quality 75, chroma 4:2:0), not the lossless original; compare figures with care"
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]
RECORD = 1 + 3 * 32 * 32


def make(options: None, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write manifest and pictures; there are no options."""
    file, path = first([ORIGINAL, COPY], mirror)
    if file is COPY:
        _jpegs(path, folder, limit)
        return ABOUT | {"title": "CIFAR-10 (JPEG copy, quality 75)", "notes": [NOTE]}
    _records(path, folder, limit)
    return ABOUT


def _records(path: Path, folder: Path, limit: int | None) -> None:
    """The binary form: a byte for the class, then the red, the green and the blue plane."""
    found = {
        Path(name).name: np.frombuffer(content, np.uint8).reshape(-1, RECORD) for name, content in members(path) if name.endswith(".bin")
    }
    if missing := [name for name in BATCHES if name not in found]:
        raise UserError(f"{path} has no {missing[0]}")
    records = np.concatenate([found[name] for name in BATCHES])
    tested = len(records) - len(found[BATCHES[-1]])
    splits = ["train"] * tested + ["test"] * (len(records) - tested)
    pictures = [
        Labelled(split, CLASSES[label], f"{split}_{place if split == 'train' else place - tested:05d}")
        for place, (split, label) in enumerate(zip(splits, records[:, 0].tolist(), strict=True))
    ]
    write(folder, pictures, lambda place: records[place, 1:].reshape(3, 32, 32).transpose(1, 2, 0), limit)


def _jpegs(path: Path, folder: Path, limit: int | None) -> None:
    """The copy: `split/class/number.jpg`."""
    found = {name: content for name, content in members(path) if name.endswith(".jpg")}
    # train first, as in the original
    names = sorted(found, key=lambda name: (not name.startswith("train/"), name))
    pictures = [Labelled(*name.split("/")[:2], name.removesuffix(".jpg").replace("/", "_")) for name in names]
    write(folder, pictures, lambda place: np.asarray(Image.open(io.BytesIO(found[names[place]])).convert("RGB")), limit)
