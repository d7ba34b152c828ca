"""AG News: titles and first lines of 127,600 news, in four classes; 120,000 to train with and 7,600 to test.

The hashes are the MD5 of the files as torchtext's `AG_NEWS` gives them; not checked against a copy here.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deconfuse.kernel.errors import UserError
from deconfuse.limiting import spread
from deconfuse.manifest import Row, writing
from deconfuse.sources._fetch import Content, File, fetch, md5

ABOUT = {
    "name": "ag_news",
    "title": "AG News",
    "licence": "none stated; provided by the academic community for research and other non-commercial use",
    "citation": "Zhang, X., Zhao, J. & LeCun, Y. (2015). Character-level convolutional networks for text classification. NeurIPS 28. "
    "https://arxiv.org/abs/1509.01626",
    "modalities": {"text": {"kind": "text"}},
}
ADDRESS = "https://raw.githubusercontent.com/mhjabreel/CharCnn_Keras/master/data/ag_news_csv"
MD5 = {"train": "b1a00f826fdfbd249f79597b59e1dc12", "test": "d52ea96a97a2d943681189a97654912d"}
FILES = {split: File(f"ag_news/{split}.csv", (f"{ADDRESS}/{split}.csv",), Content(md5, wanted)) for split, wanted in MD5.items()}
CLASSES = {"1": "World", "2": "Sports", "3": "Business", "4": "Sci/Tech"}


def make(options: None, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write the manifest; there are no options."""
    rows = [row for split, file in FILES.items() for row in _rows(split, fetch(file, mirror))]
    with writing(folder / "manifest.csv", ["text"], []) as manifest:
        for place in spread([(row.split, row.label) for row in rows], limit):
            manifest.add(rows[place])
    return ABOUT


def _rows(split: str, path: Path) -> Iterator[Row]:
    """The rows of one file: class, title, description, all in quotes. The text is title and description with a space between."""
    with path.open(encoding="utf-8", newline="") as file:
        for line, fields in enumerate(csv.reader(file, strict=True), start=1):
            if len(fields) != 3 or fields[0] not in CLASSES:
                raise UserError(f"{path}: row {line} is not a class from 1 to 4, a title and a description")
            label, title, description = fields
            yield Row(line, f"{split}_{line:06d}", split, CLASSES[label], {"text": f"{title} {description}"})
