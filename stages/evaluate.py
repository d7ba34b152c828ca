"""Measure one trained model on the val and test splits.

    python -m stages.evaluate MODEL

Reads `data/models/MODEL/` and the val and test splits under `data/embedded/` and `data/prepared/`; params `train.device`, `train.threads`,
`models.MODEL`. Writes `reports/models/MODEL/`: `metrics.json`; `val.csv` and `test.csv` (id, actual, predicted; where there are classes
confidence and the probability of each too).
"""

import csv
import hashlib
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors.torch import load
from torch import Tensor

from deconfuse.build import build
from deconfuse.device import prepare
from deconfuse.errors import UserError, command
from deconfuse.files import read_json, whole, write_json
from deconfuse.lookup import part
from deconfuse.metrics import Metrics
from deconfuse.model import Model
from deconfuse.params import read as read_params
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.prediction import predict
from deconfuse.reading.residence import place
from deconfuse.reading.stored import PREPARED, read
from deconfuse.tasks import Task

MODELS, REPORTS = Path("data/models"), Path("reports/models")


def main(name: str) -> None:
    settings: Train = read_params(f"models.{name}", Entry).training(read_params("train", Train))
    device = prepare(settings.device, settings.threads, settings.precision)
    about = read_json(MODELS / name / "model.json")
    schema = read_json(PREPARED / "schema.json")
    task: Task = part("tasks", schema["task"])()
    metrics: Metrics = part("metrics", schema["task"])()
    model = trained(name, about, task.prior(schema)).to(device)
    figures = {}
    with whole(REPORTS / name) as folder:
        folder.mkdir()
        for split in ("val", "test"):
            stored = read(split, about["modalities"], sorted(schema["modalities"]))
            data = place({split: stored}, device, settings.resident, lambda text: tell(name, text))[split]
            predicted, target = task.predictions(predict(model, data), schema), data.label.cpu().numpy()
            figures[split] = metrics.figures(target, predicted)
            ids = json.loads((PREPARED / split / "rows" / "id.json").read_text(encoding="utf-8"))
            write_predictions(folder / f"{split}.csv", ids, metrics.header(schema), metrics.rows(target, predicted, schema))
        kept = {key: about[key] for key in ("modalities", "fusion", "parameters")}
        write_json(folder / "metrics.json", {"model": name, **kept, **figures})


def tell(name: str, text: str) -> None:
    print(f"evaluate {name}: {text}", file=sys.stderr)


def trained(name: str, about: dict[str, Any], prior: Tensor) -> Model:
    """The model with its weights, whose bytes must be those that `train` wrote: a flipped bit would load silently."""
    path = MODELS / name / "weights.safetensors"
    weights = path.read_bytes()
    if hashlib.sha256(weights).hexdigest() != about["sha256"]:
        raise UserError(f"{path} is not what was trained (its SHA-256 differs from model.json's); run `dvc repro --force train@{name}`")
    model = build(Entry.model_validate_json(json.dumps(about["params"])), about["specs"], prior, f"models.{name}")
    model.load_state_dict(load(weights))
    model.bf16 = frozenset(about["bf16"])
    return model


def write_predictions(path: Path, ids: list[str], header: list[str], rows: Iterable[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        table.writerow(["id", *header])
        table.writerows([identity, *row] for identity, row in zip(ids, rows, strict=True))


if __name__ == "__main__":
    command(main, *sys.argv[1:])
