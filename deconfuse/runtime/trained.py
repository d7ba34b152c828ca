"""What `train` leaves of a model in `data/models/MODEL/`, and how its weights are read again.

seeds/SEED/weights.safetensors   of the epoch with the lowest validation loss
model.json                       what the model is, and of each seed best epoch and digest of the weights
history.csv                      a row an epoch of each seed
diagnosis.csv                    a row a layer and epoch of each seed (see `deconfuse/training/diagnosis.py`); none where it was not asked
run.json                         identity, times, machine; written last: the model is complete
"""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import write_bytes, write_text
from deconfuse.model.build import build
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry

MODELS = Path("data/models")
SEEDS = "seeds"


def weights_of(seeds: Path, seed: int) -> Path:
    return seeds / str(seed) / "weights.safetensors"


def write_weights(seeds: Path, seed: int, weights: dict[str, Tensor]) -> str:
    """Write one seed's weights into the folder `seeds`; returns their SHA-256. Raises DiskFullError."""
    content = save(weights)
    write_bytes(weights_of(seeds, seed), content)
    return hashlib.sha256(content).hexdigest()


def write_table(path: Path, columns: Sequence[str], rows: list[dict[str, Any]]) -> None:
    """Write what all seeds have left as one table. Raises DiskFullError."""
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    table.writeheader()
    table.writerows(rows)
    write_text(path, text.getvalue())


def seeds_of(about: dict[str, Any]) -> list[int]:
    """The seeds that a model.json tells of, in order."""
    return sorted(int(seed) for seed in about["seeds"])


def untrained(name: str, about: dict[str, Any], prior: Tensor) -> Model:
    """The model that a model.json describes, computing in the precision that it was trained in, before it has its weights."""
    model = build(Entry.model_validate_json(json.dumps(about["params"])), about["specs"], prior, f"models.{name}")
    model.bf16 = frozenset(about["bf16"])
    return model


def read_weights(name: str, about: dict[str, Any], seed: int) -> dict[str, Tensor]:
    """One seed's weights, whose bytes must be those that `train` wrote: a flipped bit would load silently. Raises UserError."""
    path = weights_of(MODELS / name / SEEDS, seed)
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro train@{name}`") from None
    if hashlib.sha256(content).hexdigest() != about["seeds"][str(seed)]["sha256"]:
        raise UserError(f"{path} is not what was trained (its SHA-256 differs from model.json's); run `dvc repro --force train@{name}`")
    return load(content)
