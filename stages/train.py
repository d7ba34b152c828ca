"""Train one model of the line-up.

    python -m stages.train MODEL

Reads the train and val splits under `data/embedded/` and `data/prepared/`; params `train` and `models.MODEL`. Writes
`data/models/MODEL/`: `weights.safetensors` (the epoch with the lowest validation loss), `model.json`, `history.csv` (a row an epoch)
and, last, `run.json` (identity, times, machine). Interrupted, it goes on from `data/checkpoints/MODEL/`, to the same bytes.
"""

import csv
import hashlib
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from tqdm import tqdm

from deconfuse.augmenting import Augment
from deconfuse.build import build
from deconfuse.checkpoints import ROOT as CHECKPOINTS
from deconfuse.checkpoints import Checkpoints, alone, place
from deconfuse.dataset import Dataset
from deconfuse.device import prepare
from deconfuse.errors import Stopped, UserError, command, listening
from deconfuse.files import read_json, remove, write_bytes, write_json, write_text
from deconfuse.guards import TrainingError
from deconfuse.identity import dvc, environment, git, identity
from deconfuse.lookup import part
from deconfuse.model import Model
from deconfuse.optimisation import factor, l1, optimizer
from deconfuse.params import read as read_params
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.precision import Asked, decide
from deconfuse.progress import progress
from deconfuse.reading.residence import place as placed
from deconfuse.reading.stored import EMBEDDED, PREPARED, Split, read
from deconfuse.reading.streaming import Streamed
from deconfuse.recipe import Recipe
from deconfuse.reconstruction import check as check_reconstruction
from deconfuse.reconstruction import squared_errors
from deconfuse.state import State
from deconfuse.tasks import Task
from deconfuse.training import fit

MODELS = Path("data/models")
SHOWN = 20
Specs = dict[str, dict[str, Any]]


def main(name: str) -> None:
    with alone(name):
        make(name)


def make(name: str) -> None:
    """Train the model and write its folder."""
    entry: Entry = read_params(f"models.{name}", Entry)
    settings = entry.training(read_params("train", Train))
    check_reconstruction(entry, settings.reconstruction, f"models.{name}")
    device = prepare(settings.device, settings.threads, settings.precision)
    schema = read_json(PREPARED / "schema.json")
    specs = {modality: read_json(EMBEDDED / "spec" / f"{modality}.json") for modality in entry.encoders}
    torch.manual_seed(settings.seed)
    task: Task = part("tasks", schema["task"])()
    model = build(entry, specs, task.prior(schema), f"models.{name}").to(device)
    folder = MODELS / name
    # its presence says that the model is complete: gone first, written last
    remove(folder / "run.json")
    for left in folder.glob(".*.tmp"):
        # half a file, by a process that was killed
        remove(left)
    splits = placed(usable(name, entry, sorted(schema["modalities"])), device, settings.resident, lambda text: tell(name, text))
    precision = choose_precision(name, model, settings.precision, splits["train"], device)
    plan = recipe(entry, settings, specs, model, splits["train"].label, task, schema, f"models.{name}")
    who = identity(entry, settings, schema, specs)
    # on another processor the decision may be another one
    key = " ".join([who["digest"], *precision["bf16"]])
    checkpoints = Checkpoints(CHECKPOINTS / name, key, settings.checkpoint, lambda text: tell(name, text))
    state = train(name, model, splits, plan, checkpoints)
    write_model(folder, name, model, entry, state, schema["classes"], specs)
    about = {"seed": settings.seed, "environment": environment(device), "precision": precision, "git": git(), "dvc": dvc()}
    write_json(folder / "run.json", who | timing(state, len(splits["train"])) | about)
    checkpoints.clear()


def tell(name: str, text: str) -> None:
    """A line for the user; on a terminal it stands above the bar."""
    tqdm.write(f"train {name}: {text}", file=sys.stderr)


def choose_precision(name: str, model: Model, asked: Asked, data: Dataset | Streamed, device: torch.device) -> dict[str, Any]:
    """Set in which precision the model's parts compute, and say so where it is one that params do not name; returns the record."""
    found = decide(asked, model, model.parts(), data.batch(slice(0, 8)), device)
    model.bf16 = frozenset(found.bf16)
    if asked == "auto" and found.bf16:
        tell(name, str(found))
    return {"asked": asked} | asdict(found)


def usable(name: str, entry: Entry, known: list[str]) -> dict[str, Split]:
    """The train and val rows that have any of the model's modalities."""
    splits = {split: read(split, list(entry.encoders), known).usable() for split in ("train", "val")}
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
        patience=settings.patience,
        modality_dropout=settings.modality_dropout,
        augment=Augment(entry, settings.mixup, specs, lambda label: task.mixable(label, schema), key) if is_changed else None,
        penalty=(lambda: settings.l1 * l1(model)) if settings.l1 > 0 else None,
        reconstruction=settings.reconstruction,
        errors=squared_errors if settings.reconstruction > 0 else None,
        micro_batch=settings.micro_batch,
        clip=settings.clip,
        average=settings.ema,
    )


def train(name: str, model: Model, splits: dict[str, Dataset | Streamed], plan: Recipe, checkpoints: Checkpoints) -> State:
    """Fit the model, from the last good checkpoint where there is one. Raises Stopped on a signal, UserError."""
    state = checkpoints.latest(model, plan.optimizer)
    with progress(range(plan.epochs), f"train {name}", unit="epoch") as bar, listening() as came:
        bar.update(0 if state is None else len(state.rows))

        def log(row: dict[str, float]) -> None:
            bar.set_postfix({f"val_{plan.measure}": f"{row[f'val_{plan.measure}']:.3g}"}, refresh=False)
            bar.update()

        def pause(state: State) -> None:
            if came or checkpoints.is_due():
                checkpoints.save(model, plan.optimizer, state)
            if came:
                going_on = f"goes on {checkpoints.last}" if checkpoints.last else "begins it anew"
                raise Stopped(came[0], f"train {name}: stopped {place(state)}; `dvc repro` {going_on}")

        try:
            return fit(model, splits["train"], splits["val"], plan, log, state, pause, lambda text: tell(name, text))
        except TrainingError as reason:
            raise UserError(f"models.{name}: {reason}{seen(list(model.modalities), reason.rows)}{good(checkpoints)}") from None


def good(checkpoints: Checkpoints) -> str:
    return "" if checkpoints.last is None else f"; the last good checkpoint, {checkpoints.last}, stays in {checkpoints.folder}"


def seen(modalities: list[str], rows: torch.Tensor | None) -> str:
    """Which samples a step saw, by the ids of the train split; `rows` are places among those that have any of the modalities."""
    if rows is None:
        return ""
    folder, known = PREPARED / "train" / "rows", sorted(read_json(PREPARED / "schema.json")["modalities"])
    has_any = np.load(folder / "present.npy")[:, [known.index(name) for name in modalities]].any(1)
    ids = json.loads((folder / "id.json").read_text(encoding="utf-8"))
    places = np.flatnonzero(has_any)[rows.numpy()]
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return f"; that step saw the samples {', '.join(ids[i] for i in places[:SHOWN])}{more}"


def timing(state: State, samples: int) -> dict[str, Any]:
    """When things happened (unix seconds), and how fast."""
    return {
        "started": state.started,
        "ended": state.ended[-1],
        "epoch_ended": state.ended,
        "pauses": state.pauses,
        "train_seconds": state.seconds,
        "samples_per_second": len(state.rows) * samples / state.seconds,
    }


def write_model(folder: Path, name: str, model: Model, entry: Entry, state: State, classes: list[str], specs: Specs) -> None:
    """Write weights, model.json and history.csv. Raises DiskFullError."""
    weights = save(state.weights)
    write_bytes(folder / "weights.safetensors", weights)
    about = {
        "name": name,
        "modalities": list(entry.encoders),
        "fusion": entry.fusion and entry.fusion.name,
        "classes": classes,
        "params": entry.model_dump(mode="json", exclude={"train"}),
        "specs": specs,
        "parameters": sum(value.numel() for value in model.parameters()),
        "best_epoch": state.best_epoch,
        "epochs": len(state.rows),
        "pieces": state.pieces,
        "bf16": sorted(model.bf16),
        "sha256": hashlib.sha256(weights).hexdigest(),
    }
    write_json(folder / "model.json", about)
    text = io.StringIO()
    table = csv.DictWriter(text, list(state.rows[0]), lineterminator="\n")
    table.writeheader()
    table.writerows(state.rows)
    write_text(folder / "history.csv", text.getvalue())


if __name__ == "__main__":
    command(main, *sys.argv[1:])
