"""A project's arrays and settings, for programs that know nothing else of the project."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Task:
    """What there is to train."""

    values: dict[str, np.ndarray]
    """Split -> samples as stored."""
    label: dict[str, np.ndarray]
    mean: float
    std: float
    settings: dict[str, Any]
    """The section `train:`."""


def read(folder: Path) -> Task:
    """The task of a project with one modality."""
    (spec_file,) = (folder / "data/embedded/spec").glob("*.json")
    spec = json.loads(spec_file.read_text())
    values = {split: np.load(folder / "data/embedded" / split / spec_file.stem / "values.npy") for split in ("train", "val")}
    label = {split: np.load(folder / "data/prepared" / split / "rows/label.npy") for split in values}
    settings = json.loads((folder / "params.yaml").read_text())["train"]
    return Task(values, label, spec["mean"], spec["std"], settings)


def tell(started: float, ended: list[float], accuracy: list[float], **more: float) -> None:
    """Print the result; times are unix seconds, one an epoch as the accuracy on val."""
    print(json.dumps({"started": started, "epoch_ended": ended, "accuracy": accuracy, **more}))
