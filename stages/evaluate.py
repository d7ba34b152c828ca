"""Measure one trained model on the val and test splits.

    python -m stages.evaluate MODEL

Reads `data/models/MODEL/` and the val and test splits under `data/embedded/` and `data/prepared/`; params `train.device`, `train.threads`,
`models.MODEL`. Writes `reports/models/MODEL/`: `metrics.json`; `val.csv` and `test.csv` (id, actual, predicted, confidence, the probability
of each class).
"""

import csv
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load

from deconfuse.build import build
from deconfuse.dataset import PREPARED, read
from deconfuse.device import prepare
from deconfuse.errors import UserError, command
from deconfuse.files import read_json, whole, write_json
from deconfuse.metrics import classification
from deconfuse.model import Model
from deconfuse.params import read as read_params
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.training import predict

MODELS, REPORTS = Path("data/models"), Path("reports/models")


def main(name: str) -> None:
    settings: Train = read_params(f"models.{name}", Entry).training(read_params("train", Train))
    device = prepare(settings.device, settings.threads)
    about = read_json(MODELS / name / "model.json")
    schema = read_json(PREPARED / "schema.json")
    model = trained(name, about, schema["train_counts"]).to(device)
    figures = {}
    with whole(REPORTS / name) as folder:
        folder.mkdir()
        for split in ("val", "test"):
            data = read(split, about["modalities"], sorted(schema["modalities"])).to(device)
            probability = predict(model, data).double().softmax(1).cpu().numpy()
            label = data.label.cpu().numpy()
            figures[split] = classification(label, probability)
            ids = json.loads((PREPARED / split / "rows" / "id.json").read_text(encoding="utf-8"))
            write_predictions(folder / f"{split}.csv", ids, label, probability, about["classes"])
        kept = {key: about[key] for key in ("modalities", "fusion", "parameters")}
        write_json(folder / "metrics.json", {"model": name, **kept, **figures})


def trained(name: str, about: dict[str, Any], counts: list[int]) -> Model:
    """The model with its weights, whose bytes must be those that `train` wrote: a flipped bit would load silently."""
    path = MODELS / name / "weights.safetensors"
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != about["sha256"]:
        raise UserError(f"{path} is not what was trained (its SHA-256 differs from model.json's); run `dvc repro --force train@{name}`")
    model = build(Entry.model_validate_json(json.dumps(about["params"])), about["specs"], counts, f"models.{name}")
    model.load_state_dict(load(weights))
    return model


def write_predictions(path: Path, ids: list[str], label: np.ndarray, probability: np.ndarray, classes: list[str]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["id", "actual", "predicted", "confidence", *(f"p:{name}" for name in classes)])
        for identity, actual, shares in zip(ids, label, probability, strict=True):
            best = int(shares.argmax())
            table.writerow([identity, classes[actual], classes[best], *(f"{share:.6f}" for share in (shares[best], *shares))])


if __name__ == "__main__":
    command(main, *sys.argv[1:])
