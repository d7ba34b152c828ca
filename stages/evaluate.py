"""Measure one trained model on the val and test splits.

    python -m stages.evaluate MODEL

Reads `data/models/MODEL/` and the val and test splits under `data/embedded/` and `data/prepared/`; params `train.device`, `train.threads`,
`models.MODEL`. Writes `reports/models/MODEL/`: `metrics.json` (of each seed, and means over them with intervals); `val.csv` and `test.csv`
(seed, id, actual, predicted; where there are classes confidence and the probability of each too).
"""

import csv
import json
import sys
from pathlib import Path

import numpy as np

from deconfuse.device import prepare
from deconfuse.errors import command
from deconfuse.files import read_json, whole, write_json
from deconfuse.lookup import part
from deconfuse.metrics import Metrics, over_seeds
from deconfuse.params import read as read_params
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.prediction import predict
from deconfuse.reading.residence import place
from deconfuse.reading.stored import PREPARED, read
from deconfuse.tasks import Task
from deconfuse.trained import MODELS, read_weights, seeds_of, untrained

REPORTS = Path("reports/models")


def main(name: str) -> None:
    settings: Train = read_params(f"models.{name}", Entry).training(read_params("train", Train))
    device = prepare(settings.device, settings.threads, settings.precision)
    about = read_json(MODELS / name / "model.json")
    schema = read_json(PREPARED / "schema.json")
    task: Task = part("tasks", schema["task"])()
    metrics: Metrics = part("metrics", schema["task"])()
    model = untrained(name, about, task.prior(schema)).to(device)
    means, each = {}, {str(seed): {} for seed in seeds_of(about)}
    with whole(REPORTS / name) as folder:
        folder.mkdir()
        for split in ("val", "test"):
            stored = read(split, about["modalities"], sorted(schema["modalities"]))
            data = place({split: stored}, device, settings.resident, lambda text: tell(name, text))[split]
            ids = json.loads((PREPARED / split / "rows" / "id.json").read_text(encoding="utf-8"))
            target, terms = data.label.cpu().numpy(), []
            with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
                table = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
                table.writerow(["seed", "id", *metrics.header(schema)])
                for seed, found in each.items():
                    model.load_state_dict(read_weights(name, about, int(seed)))
                    predicted = task.predictions(predict(model, data), schema)
                    found[split] = metrics.figures(target, predicted)
                    terms.append(metrics.terms(target, predicted))
                    rows = metrics.rows(target, predicted, schema)
                    table.writerows([seed, identity, *row] for identity, row in zip(ids, rows, strict=True))
            means[split] = over_seeds([found[split] for found in each.values()], metrics.bounds(np.stack(terms)))
        kept = {key: about[key] for key in ("modalities", "fusion", "parameters")}
        write_json(folder / "metrics.json", {"model": name, **kept, **means, "seeds": each})


def tell(name: str, text: str) -> None:
    print(f"evaluate {name}: {text}", file=sys.stderr)


if __name__ == "__main__":
    command(main, *sys.argv[1:])
