"""Fashion-MNIST: 70,000 pictures of clothes, 28 x 28, grey; 60,000 to train with and 10,000 to test.

The hashes are of the packed files, as torchvision's `FashionMNIST` and the authors publish them; not checked against a copy here.
"""

from pathlib import Path
from typing import Any

from deconfuse.sources import _idx
from deconfuse.sources._fetch import Content, File, md5

ABOUT = {
    "name": "fashion_mnist",
    "title": "Fashion-MNIST",
    "licence": "MIT",
    "citation": "Xiao, H., Rasul, K. & Vollgraf, R. (2017). Fashion-MNIST: a novel image dataset for benchmarking machine learning "
    "algorithms. https://arxiv.org/abs/1708.07747",
    "modalities": {"image": {"kind": "image"}},
}
ADDRESSES = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion",
)
MD5 = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}
FILES = {
    name: File(f"fashion_mnist/{name}", tuple(f"{address}/{name}" for address in ADDRESSES), Content(md5, wanted))
    for name, wanted in MD5.items()
}
CLASSES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]


def make(options: None, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write manifest and pictures; there are no options."""
    _idx.make(FILES, CLASSES, folder, limit, mirror)
    return ABOUT
