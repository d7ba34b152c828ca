"""Decode every picture, sound, clip and text into arrays of one shape.

    python -m stages.preprocess

Reads `data/raw/` and the media it points to; params `preprocess`. Writes `data/prepared/`: a folder a split and modality with
`values.npy` (image uint8 N,C,H,W; video uint8 N,T,C,H,W; audio int16 N,samples) or `values.jsonl` (text) and `length.npy` (valid
frames or samples); `<split>/rows/` (labels, ids, which modality is present); `schema.json` (shapes; the task, and the train
split's classes and counts, or mean and deviation; nothing of the test split); `summary.json`; `rejected.csv`.
"""

from pathlib import Path
from typing import Any

import numpy as np

from deconfuse.errors import command
from deconfuse.files import digest_files, read_json, whole, write_json
from deconfuse.manifest import SPLITS, read
from deconfuse.params import read as read_params
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparation import prepare
from deconfuse.splits import form

RAW, PREPARED = Path("data/raw"), Path("data/prepared")


def main() -> None:
    source = read_json(RAW / "source.json")
    options = read_params("preprocess", Preprocess)
    kinds = {name: about["kind"] for name, about in sorted(source["modalities"].items())}
    rows = read(RAW / "manifest.csv", list(kinds))
    with whole(PREPARED) as folder:
        task, classes, rejected = prepare(rows, Path(source["media"]), kinds, options, folder)
        labels = {split: np.load(folder / split / "rows" / "label.npy") for split in SPLITS}
        counts = {split: task.counts(label, classes) for split, label in labels.items()}
        schema = {
            "task": options.task.name,
            **task.facts(labels["train"], classes),
            "modalities": {name: form(kind, options) | {"name": name} for name, kind in kinds.items()},
            "digest": {split: digest_files(folder, list((folder / split / "rows").iterdir())) for split in ("train", "val")},
            "params": {"data": source["params"], "preprocess": options.model_dump(mode="json", exclude={"workers"})},
        }
        write_json(folder / "schema.json", schema)
        write_json(folder / "summary.json", summary(source, folder, classes, counts, kinds, len(rejected)))


def summary(
    source: dict[str, Any], folder: Path, classes: list[str], counts: dict[str, list[int]], kinds: dict[str, str], rejected: int
) -> dict[str, Any]:
    """What the data set holds, for the report."""
    present = {split: np.load(folder / split / "rows" / "present.npy") for split in SPLITS}
    return {
        "source": {key: source.get(key) for key in ("name", "title", "licence", "citation")},
        "rows": {split: len(there) for split, there in present.items()},
        "classes": {split: dict(zip(classes, count, strict=True)) for split, count in counts.items()},
        "coverage": {split: dict(zip(kinds, there.sum(0).tolist(), strict=True)) for split, there in present.items()},
        "rejected": rejected,
    }


if __name__ == "__main__":
    command(main)
