"""Train one model of the line-up.

    python -m stages.train MODEL

Reads the train and val splits under `data/embedded/` and `data/prepared/`; params `train` and `models.MODEL`. Writes
`data/models/MODEL/`: `weights.safetensors` (the epoch with the lowest validation loss), `model.json`, `history.csv` (a row an epoch)
and, last, `run.json` (identity, times, machine).
"""

import csv
import hashlib
import sys
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from deconfuse.augmenting import Augment
from deconfuse.build import build
from deconfuse.dataset import EMBEDDED, PREPARED, Dataset, read
from deconfuse.device import prepare
from deconfuse.errors import UserError, command
from deconfuse.files import digest_json, read_json, remove, whole, write_json
from deconfuse.identity import code_digest, dvc, environment, git
from deconfuse.lookup import part
from deconfuse.model import Model
from deconfuse.optimisation import factor, l1, optimizer
from deconfuse.params import read as read_params
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.progress import progress
from deconfuse.reconstruction import check as check_reconstruction
from deconfuse.reconstruction import squared_errors
from deconfuse.tasks import Task
from deconfuse.training import Fitted, Recipe, TrainingError, fit

MODELS = Path("data/models")
Specs = dict[str, dict[str, Any]]


def main(name: str) -> None:
    entry: Entry = read_params(f"models.{name}", Entry)
    settings = entry.training(read_params("train", Train))
    check_reconstruction(entry, settings.reconstruction, f"models.{name}")
    device = prepare(settings.device, settings.threads)
    schema = read_json(PREPARED / "schema.json")
    specs = {modality: read_json(EMBEDDED / "spec" / f"{modality}.json") for modality in entry.encoders}
    torch.manual_seed(settings.seed)
    task: Task = part("tasks", schema["task"])()
    model = build(entry, specs, task.prior(schema), f"models.{name}").to(device)
    folder = MODELS / name
    # its presence says that the model is complete: gone first, written last
    remove(folder / "run.json")
    splits = usable(name, entry, sorted(schema["modalities"]), device)
    plan = recipe(entry, settings, specs, model, splits["train"].label, task, schema, f"models.{name}")
    fitted, history, timing = train(name, model, splits, plan)
    write_model(folder, name, model, entry, fitted, schema["classes"], specs)
    with whole(folder / "history.csv") as path, path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(history[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(history)
    about = {"seed": settings.seed, "environment": environment(device), "git": git(), "dvc": dvc()}
    write_json(folder / "run.json", identity(entry, settings, schema, specs) | timing | about)


def usable(name: str, entry: Entry, known: list[str], device: torch.device) -> dict[str, Dataset]:
    """The train and val rows that have any of the model's modalities."""
    splits = {split: read(split, list(entry.encoders), known).usable().to(device) for split in ("train", "val")}
    for split, data in splits.items():
        if len(data) < 2:
            raise UserError(
                f"models.{name}: only {len(data)} rows of the {split} split have any of {', '.join(entry.encoders)}; it needs 2 or more"
            )
    return splits


def recipe(
    entry: Entry, settings: Train, specs: Specs, model: Model, label: torch.Tensor, task: Task, schema: dict[str, Any], key: str
) -> Recipe:
    """What the params and the task say about the training, as the loop takes it; `label` is all of the train split."""
    is_changed = entry.augment or settings.mixup > 0
    return Recipe(
        seed=settings.seed,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=optimizer(settings.optimizer, model, settings.weight_decay, settings.momentum),
        rate=lambda step, steps: settings.learning_rate * factor(settings.schedule, step, steps, settings.warmup),
        loss=task.loss(schema, label if settings.class_weights == "balanced" else None, settings.label_smoothing),
        plain=task.loss(schema, None, 0.0),
        measure=task.measure,
        score=task.score(schema),
        modality_dropout=settings.modality_dropout,
        augment=Augment(entry, settings.mixup, specs, lambda label: task.mixable(label, schema), key) if is_changed else None,
        penalty=(lambda: settings.l1 * l1(model)) if settings.l1 > 0 else None,
        reconstruction=settings.reconstruction,
        errors=squared_errors if settings.reconstruction > 0 else None,
    )


def train(name: str, model: Model, splits: dict[str, Dataset], plan: Recipe) -> tuple[Fitted, list[dict[str, float]], dict[str, Any]]:
    """Fit the model; returns what was learnt, a row an epoch, and when things happened (unix seconds)."""
    history: list[dict[str, float]] = []
    ended: list[float] = []
    with progress(range(plan.epochs), f"train {name}", unit="epoch") as bar:

        def log(row: dict[str, float]) -> None:
            history.append(row)
            ended.append(time.time())
            bar.set_postfix({f"val_{plan.measure}": f"{row[f'val_{plan.measure}']:.3g}"}, refresh=False)
            bar.update()

        started = time.time()
        try:
            fitted = fit(model, splits["train"], splits["val"], plan, log)
        except TrainingError as reason:
            raise UserError(f"models.{name}: {reason}") from None
    seconds = ended[-1] - started
    rate = plan.epochs * len(splits["train"]) / seconds
    return (
        fitted,
        history,
        {"started": started, "ended": ended[-1], "epoch_ended": ended, "train_seconds": seconds, "samples_per_second": rate},
    )


def write_model(folder: Path, name: str, model: Model, entry: Entry, fitted: Fitted, classes: list[str], specs: Specs) -> None:
    weights = save(fitted.weights)
    with whole(folder / "weights.safetensors") as path:
        path.write_bytes(weights)
    about = {
        "name": name,
        "modalities": list(entry.encoders),
        "fusion": entry.fusion and entry.fusion.name,
        "classes": classes,
        "params": entry.model_dump(mode="json", exclude={"train"}),
        "specs": specs,
        "parameters": sum(value.numel() for value in model.parameters()),
        "best_epoch": fitted.best_epoch,
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_json(folder / "model.json", about)


def identity(entry: Entry, settings: Train, schema: dict[str, Any], specs: Specs) -> dict[str, Any]:
    """What makes this run this run: the params of all stages that led to it, and digests of params, data and code."""
    resolved = {"train": settings.model_dump(mode="json"), "model": entry.model_dump(mode="json", exclude={"train"})}
    used = {f"deconfuse.encoders.{chosen.name}" for chosen in entry.encoders.values()}
    if entry.fusion is not None:
        used.add(f"deconfuse.fusion.{entry.fusion.name}")
    used |= {f"deconfuse.augmentation.{chosen.name}" for chain in entry.augment.values() for chosen in chain}
    digests = {
        "params": digest_json(resolved),
        "data": digest_json([schema["digest"], {modality: spec["digest"] for modality, spec in specs.items()}]),
        "code": code_digest(used),
    }
    led = schema["params"] | {"embed": {modality: spec["params"] for modality, spec in specs.items()}}
    return {"params": led | resolved, "digests": digests, "digest": digest_json(digests)}


if __name__ == "__main__":
    command(main, *sys.argv[1:])
