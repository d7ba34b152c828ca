"""MNIST: 70,000 handwritten digits, 28 x 28, grey; 60,000 to train with and 10,000 to test.

The hashes are of the unpacked idx files: they were computed from a copy, and are the published ones.
"""

from pathlib import Path
from typing import Any

from deconfuse.sources import _idx
from deconfuse.sources._fetch import Content, File

ABOUT = {
    "name": "mnist",
    "title": "MNIST handwritten digits",
    "licence": "CC BY-SA 3.0, as commonly cited; the authors' page states none",
    "citation": "LeCun, Y., Bottou, L., Bengio, Y. & Haffner, P. (1998). Gradient-based learning applied to document recognition. "
    "Proceedings of the IEEE, 86(11), 2278-2324. https://doi.org/10.1109/5.726791",
    "modalities": {"image": {"kind": "image"}},
}
ADDRESSES = ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist")
SHA256 = {
    "train-images-idx3-ubyte.gz": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte.gz": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte.gz": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte.gz": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
FILES = {
    name: File(f"mnist/{name}", tuple(f"{address}/{name}" for address in ADDRESSES), Content(_idx.sha256_plain, wanted))
    for name, wanted in SHA256.items()
}
CLASSES = [str(digit) for digit in range(10)]


def make(options: None, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write manifest and pictures; there are no options."""
    _idx.make(FILES, CLASSES, folder, limit, mirror)
    return ABOUT
