"""A project as `preprocess` and `embed` leave it, made of given arrays, and its models trained by the train stage itself."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import Cost, run

Arrays = dict[str, np.ndarray]
LAYOUTS = {2: "frames", 3: "image", 4: "video"}


def write(folder: Path, splits: dict[str, Arrays], labels: Arrays, params: dict[str, Any]) -> None:
    """Write params.yaml, data/prepared and data/embedded.

    Args:
        folder: where; made if need be.
        splits: train and val, each modality -> samples: (N, T, F) frames, (N, C, H, W) pictures.
        labels: train and val, each class numbers from 0.
        params: the sections `train` and `models`.
    """
    classes = int(labels["train"].max()) + 1
    for split, label in labels.items():
        rows = folder / "data/prepared" / split / "rows"
        rows.mkdir(parents=True)
        np.save(rows / "label.npy", label.astype(np.int64))
        np.save(rows / "present.npy", np.ones((len(label), len(splits[split])), bool))
        (rows / "id.json").write_text(json.dumps([f"{split}-{place}" for place in range(len(label))]))
        for name, values in splits[split].items():
            (folder / "data/embedded" / split / name).mkdir(parents=True)
            np.save(folder / "data/embedded" / split / name / "values.npy", values)
    about = {"classes": [str(number) for number in range(classes)], "digest": {"train": "a", "val": "b"}, "params": {}}
    counts = np.bincount(labels["train"], minlength=classes).tolist()
    modalities = {name: {} for name in splits["train"]}
    schema = about | {"modalities": modalities, "task": "single_label", "train_counts": counts}
    (folder / "data/prepared/schema.json").write_text(json.dumps(schema))
    (folder / "data/embedded/spec").mkdir()
    for name, values in splits["train"].items():
        (folder / f"data/embedded/spec/{name}.json").write_text(json.dumps(spec(name, values)))
    # JSON is YAML; nobody draws the training while it is timed, unless that is asked for
    (folder / "params.yaml").write_text(json.dumps({"tracking": {"live": None}} | params))


def spec(name: str, values: np.ndarray) -> dict[str, Any]:
    """What `embed` says of a modality's array."""
    facts = {"layout": LAYOUTS[values.ndim - 1], "shape": list(values.shape[1:]), "vocabulary": 0, "digest": name, "params": {}}
    return facts | {"mean": float(values.mean(dtype=float)), "std": float(values.std(dtype=float)), "unknown": None}


def train(folder: Path, name: str, threads: int = 1, **variables: str) -> Cost:
    """Train a model of the project by `python -m stages.train`, from the start."""
    return run(["stages.train", name], threads, folder, **variables)


def result(folder: Path, name: str) -> dict[str, Any]:
    """`started`, `epoch_ended` (unix seconds) and `accuracy` on val (both one an epoch) of a model that was trained."""
    model = folder / "data/models" / name
    (record,) = json.loads((model / "run.json").read_text())["seeds"].values()
    with (model / "history.csv").open(newline="") as file:
        accuracy = [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    return {"started": record["started"], "epoch_ended": record["epoch_ended"], "accuracy": accuracy}
