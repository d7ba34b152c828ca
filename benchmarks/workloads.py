"""What is trained in the comparisons: arrays, and the params of our model; the same layers by hand are in `rivals/networks.py`."""

import csv
import gzip
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.project import Arrays

Made = tuple[dict[str, Arrays], Arrays]
ADAM = {"optimizer": "adam", "learning_rate": 1e-3, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0}
PRINTED_CNN = {"name": "cnn", "channels": [32, 64, 64], "norm": "none", "padding": "valid", "pools": 2, "grid": None, "activation": "relu"}


@dataclass(frozen=True)
class Workload:
    """A task and a model for it."""

    make: Callable[[int, int, Path | None], Made]
    """Arrays of so many train and val samples, from a folder of public sets or made up."""
    modality: str
    entry: dict[str, Any]
    """Of `models:`."""
    train: dict[str, Any]
    """The section `train:`, but for epochs and threads."""
    samples: int
    """Of the train split."""
    epochs: int
    goal: float
    """A val accuracy, the time to which is told."""


def features(size: int) -> Callable[[int, int, Path | None], Made]:
    """What a frozen network gives: so many numbers a sample, of ten classes that overlap, as far apart whatever the size."""

    def make(train: int, val: int, mirror: Path | None) -> Made:
        draw = np.random.default_rng(0)
        centres = draw.normal(0, 2.8 / size**0.5, (10, 1, size))
        label = draw.integers(0, 10, train + val)
        values = (centres[label] + draw.normal(size=(train + val, 1, size))).astype(np.float32)
        return parted("feature", values, label, train)

    return make


def digits(train: int, val: int, mirror: Path | None) -> Made:
    """MNIST's first pictures (1, 28, 28) where the folder has them; else blurred blocks, one pattern a class, under noise."""
    if mirror is None:
        draw = np.random.default_rng(0)
        patterns = np.kron(draw.integers(60, 200, (10, 1, 7, 7)), np.ones((1, 1, 4, 4)))
        label = draw.integers(0, 10, train + val)
        values = np.clip(patterns[label] + draw.normal(0, 90, (train + val, 1, 28, 28)), 0, 255).astype(np.uint8)
        return parted("image", values, label, train)
    values, label = (idx(mirror / "mnist" / f"train-{kind}-ubyte.gz") for kind in ("images-idx3", "labels-idx1"))
    return parted("image", values[: train + val, None], label[: train + val].astype(int), train)


def lines(train: int, val: int, mirror: Path | None) -> Made:
    """The same pictures as 28 steps of 28 values between 0 and 1."""
    splits, labels = digits(train, val, mirror)
    return {split: {"audio": arrays["image"][:, 0].astype(np.float32) / 255} for split, arrays in splits.items()}, labels


def colours(train: int, val: int, mirror: Path | None) -> Made:
    """Noise of CIFAR-10's size (3, 32, 32): for time, not for accuracy."""
    draw = np.random.default_rng(0)
    values = draw.integers(0, 256, (train + val, 3, 32, 32), dtype=np.uint8)
    return parted("image", values, draw.integers(0, 10, train + val), train)


def pictures(train: int, val: int, mirror: Path | None) -> Made:
    """CIFAR-10's pictures (3, 32, 32), val of its test split, where the folder has them; else noise."""
    if mirror is None:
        return colours(train, val, mirror)
    from deconfuse.sources import cifar10

    with tempfile.TemporaryDirectory() as place:
        # a sixth of the set, and of a part of it, is test
        cifar10.make(None, Path(place), min(60_000, max(train * 6 // 5, val * 6) + 60), str(mirror))
        values = np.load(Path(place) / "images.npy").transpose(0, 3, 1, 2)
        with (Path(place) / "manifest.csv").open(newline="") as file:
            rows = [(row["split"] == "train", cifar10.CLASSES.index(row["label"])) for row in csv.DictReader(file)]
    is_train, label = (np.array(column) for column in zip(*rows, strict=True))
    draw = np.random.default_rng(0)
    chosen = [draw.permutation(np.flatnonzero(part))[:count] for part, count in ((is_train, train), (~is_train, val))]
    order = np.concatenate(chosen)
    return parted("image", np.ascontiguousarray(values[order]), label[order], len(chosen[0]))


def idx(path: Path) -> np.ndarray:
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def parted(modality: str, values: np.ndarray, label: np.ndarray, train: int) -> Made:
    """The first as train, the rest as val."""
    parts = {"train": slice(train), "val": slice(train, None)}
    return {split: {modality: values[part]} for split, part in parts.items()}, {split: label[part] for split, part in parts.items()}


def printed(channels: list[int], **options: Any) -> dict[str, Any]:
    """A model whose encoder's linear map of width 10 is the printed classifier."""
    return {"encoders": {"image": {"name": "deconvolution", "channels": channels, "stride": 1, **options}}, "width": 10}


COSINE = {"learning_rate": 3e-3, "batch_size": 64}
WORKLOADS = {
    "head": Workload(features(64), "feature", {"encoders": {"feature": "linear"}, "width": 32}, COSINE, 16384, 4, 0.8),
    "wide_head": Workload(features(512), "feature", {"encoders": {"feature": "linear"}, "width": 64}, COSINE, 16384, 4, 0.8),
    "cnn": Workload(
        digits,
        "image",
        {"encoders": {"image": PRINTED_CNN}, "width": 64, "augment": {"image": [{"name": "crop", "shift": 2}]}},
        {"learning_rate": 2e-3, "batch_size": 128},
        12800,
        5,
        0.97,
    ),
    "conv_deconv": Workload(
        pictures,
        "image",
        {
            "encoders": {"image": {"name": "deconvolution", "channels": [32, 64, 128], "grid": 1}},
            "width": 64,
            "augment": {"image": [{"name": "crop", "shift": 4}, "flip"]},
        },
        {"learning_rate": 3e-3, "batch_size": 128},
        5120,
        5,
        0.4,
    ),
    "printed_cnn": Workload(digits, "image", {"encoders": {"image": PRINTED_CNN}, "width": 64}, ADAM | {"batch_size": 64}, 12800, 5, 0.97),
    "printed_lstm": Workload(
        lines,
        "audio",
        {"encoders": {"audio": {"name": "lstm", "bidirectional": False}}, "width": 10},
        ADAM | {"batch_size": 64},
        12800,
        5,
        0.93,
    ),
    "printed_deconv": Workload(colours, "image", printed([32, 64, 128], grid=None), ADAM | {"batch_size": 16}, 48, 3, 1.0),
    "pooled_deconv": Workload(colours, "image", printed([32, 64, 128], grid=1, ending="linear"), ADAM | {"batch_size": 16}, 96, 3, 1.0),
}
