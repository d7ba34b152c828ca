"""A project as `preprocess` and `embed` would leave it, small enough to be trained in a second: what the train stage reads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

CLASSES = 3
SPECS: dict[str, dict[str, Any]] = {
    "audio": {"layout": "frames", "shape": [12, 8], "vocabulary": 0, "mean": 0.0, "std": 1.0},
    "image": {"layout": "image", "shape": [1, 8, 8], "vocabulary": 0, "mean": 100.0, "std": 50.0},
    "text": {"layout": "tokens", "shape": [5], "vocabulary": 9, "mean": None, "std": None},
    "video": {"layout": "video", "shape": [3, 1, 12, 12], "vocabulary": 0, "mean": 100.0, "std": 50.0},
}
ALL = {"audio": "cnn", "image": "cnn", "text": "lstm", "video": "cnn_lstm"}
MODELS: dict[str, dict[str, Any]] = {
    "cnn": {
        "encoders": {"image": "cnn"},
        "augment": {"image": [{"name": "crop"}, {"name": "cutout"}]},
        "train": {"mixup": 0.4, "schedule": "linear", "ema": 0.9},
    },
    "deconvolution": {
        "encoders": {"image": "deconvolution"},
        "dropout": 0.3,
        "train": {"optimizer": "sgd", "learning_rate": 0.05, "clip": 0.5},
    },
    "lstm": {"encoders": {"text": "lstm"}, "augment": {"text": [{"name": "word_dropout"}]}},
    "transformer": {"encoders": {"text": "transformer"}, "train": {"optimizer": "adam", "l1": 1e-4}},
    "cnn_lstm": {
        "encoders": {"video": "cnn_lstm"},
        "train": {"class_weights": "balanced", "schedule": "constant", "precision": "bf16"},
    },
    "concat": {"encoders": ALL, "fusion": "concat", "train": {"modality_dropout": 0.3, "patience": 2, "learning_rate": 0.02}},
    "attention": {"encoders": ALL, "fusion": "attention", "dropout": 0.2, "train": {"micro_batch": 6}},
    "fused_deconvolution": {"encoders": ALL, "fusion": "deconvolution", "train": {"label_smoothing": 0.1}},
}


def build(root: Path, samples: int = 65, **settings: Any) -> None:
    """Write params.yaml, data/prepared and data/embedded without a test split; equal arguments give equal bytes.

    Args:
        root: where.
        samples: of the train split; those of the val split are 40.
        settings: of the `train:` section.
    """
    draw = np.random.default_rng(0)
    for split, number in (("train", samples), ("val", 40)):
        label = np.arange(number) % CLASSES
        rows = root / "data/prepared" / split / "rows"
        rows.mkdir(parents=True)
        present = draw.random((number, len(SPECS))) < 0.9
        present[np.flatnonzero(~present.any(1)), 0] = True
        np.save(rows / "label.npy", label)
        np.save(rows / "present.npy", present)
        (rows / "id.json").write_text(json.dumps([f"{split}-{i}" for i in range(number)]))
        for name, spec in SPECS.items():
            folder = root / "data/embedded" / split / name
            folder.mkdir(parents=True)
            np.save(folder / "values.npy", values(spec, label, draw))
            if spec["layout"] != "image":
                np.save(folder / "length.npy", draw.integers(1, spec["shape"][0] + 1, number).astype(np.int32))
    names = [str(i) for i in range(CLASSES)]
    schema = {"classes": names, "digest": {"train": "a", "val": "b"}, "modalities": {name: {"kind": name} for name in SPECS}, "params": {}}
    counts = np.bincount(np.arange(samples) % CLASSES).tolist()
    (root / "data/prepared/schema.json").write_text(json.dumps(schema | {"task": "single_label", "train_counts": counts}))
    (root / "data/embedded/spec").mkdir()
    for name, spec in SPECS.items():
        about = spec | {"digest": name, "params": {"name": "made up"}, "unknown": 1 if name == "text" else None}
        (root / f"data/embedded/spec/{name}.json").write_text(json.dumps(about))
    models = {name: entry | {"width": 8} for name, entry in MODELS.items()}
    train = {"epochs": 4, "batch_size": 16, "learning_rate": 0.01} | settings
    with (root / "params.yaml").open("w") as file:
        # a run in MLflow would cost more than these trainings do
        YAML().dump({"train": train, "models": models, "tracking": {"live": None}}, file)


def values(spec: dict[str, Any], label: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """Noise in which the label can be found."""
    shape = (len(label), *spec["shape"])
    signal = label.reshape(-1, *[1] * len(spec["shape"]))
    if spec["layout"] == "tokens":
        return np.where(draw.random(shape) < 0.5, signal + 2, draw.integers(2, spec["vocabulary"], shape)).astype(np.int32)
    noise = draw.normal(size=shape) + signal - 1
    return noise.astype(np.float32) if spec["layout"] == "frames" else np.clip(100 + 50 * noise, 0, 255).astype(np.uint8)
