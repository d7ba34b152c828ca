"""Train one model of the line-up.

    python -m stages.train MODEL

Reads the train and val splits under `data/embedded/` and `data/prepared/`; params `train` and `models.MODEL`. Writes
`data/models/MODEL/` (see `deconfuse/trained.py`): weights and history of each seed, `model.json` and, last, `run.json`. Interrupted, it
goes on from `data/checkpoints/MODEL/SEED/`, to the same bytes; a seed that is done waits there for the others.
"""

import json
import sys
from dataclasses import asdict
from functools import partial

import numpy as np
import torch
from tqdm import tqdm

from deconfuse.account import best, summary, timing, total
from deconfuse.checkpoints import ROOT as CHECKPOINTS
from deconfuse.checkpoints import Checkpoints, alone, place
from deconfuse.dataset import Dataset
from deconfuse.device import prepare
from deconfuse.errors import Stopped, UserError, command, listening
from deconfuse.files import read_json, remove, whole, write_json
from deconfuse.guards import TrainingError
from deconfuse.identity import dvc, environment, git, identity
from deconfuse.job import Job, usable
from deconfuse.lookup import part
from deconfuse.model import Model
from deconfuse.params import read as read_params
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.progress import progress
from deconfuse.reading.residence import place as placed
from deconfuse.reading.stored import EMBEDDED, PREPARED
from deconfuse.reading.streaming import Streamed
from deconfuse.recipe import Recipe
from deconfuse.reconstruction import check as check_reconstruction
from deconfuse.state import State
from deconfuse.tasks import Task
from deconfuse.trained import MODELS, SEEDS, write_history, write_weights
from deconfuse.training import fit

SHOWN = 20


def main(name: str) -> None:
    with alone(name):
        make(prepared(name))


def prepared(name: str) -> Job:
    """Read params and data. Raises UserError."""
    entry: Entry = read_params(f"models.{name}", Entry)
    settings = entry.training(read_params("train", Train))
    check_reconstruction(entry, settings.reconstruction, f"models.{name}")
    device = prepare(settings.device, settings.threads, settings.precision)
    schema = read_json(PREPARED / "schema.json")
    specs = {modality: read_json(EMBEDDED / "spec" / f"{modality}.json") for modality in entry.encoders}
    task: Task = part("tasks", schema["task"])()
    splits = placed(usable(name, entry, sorted(schema["modalities"])), device, settings.resident, partial(tell, name))
    return Job(name, entry, settings, device, schema, specs, task, splits)


def make(job: Job) -> None:
    """Train the model with each seed, and write its folder."""
    folder, seeds = MODELS / job.name, job.settings.seeds
    who, about, rows = {}, {}, []
    for left in folder.glob(".*.tmp"):
        # half a file, by a process that was killed
        remove(left)
    with whole(folder / SEEDS) as made, listening() as came:
        for seed in seeds:
            # what holds for all seeds is said once
            model, plan, precision = job.begin(seed, partial(tell, job.name) if seed == seeds[0] else lambda text: None)
            # before the first step: what that imports is no part of the code's digest
            who = who or identity(job.entry, job.settings, job.schema, job.specs)
            run = who["seeds"][str(seed)]
            label = job.name if len(seeds) == 1 else f"{job.name}, seed {seed}"
            if seed == seeds[0] and job.settings.precision == "auto" and precision.bf16:
                tell(job.name, str(precision))
            # on another processor the decision may be another one
            key = " ".join([run["digest"], *precision.bf16])
            checkpoints = Checkpoints(CHECKPOINTS / job.name / str(seed), key, job.settings.checkpoint, partial(tell, label))
            state = train(label, model, job.splits, plan, checkpoints, came)
            if seed != seeds[-1] and checkpoints.last != place(state):
                # so that it need not be trained again where a later seed is interrupted
                checkpoints.save(model, plan.optimizer, state)
            about[str(seed)] = summary(state) | {"sha256": write_weights(made, seed, state.weights)}
            run |= timing(state, len(job.splits["train"]))
            rows += [{"seed": seed, **row} for row in state.rows]
        # its presence says that the model is complete: gone before another one takes its place, written last
        remove(folder / "run.json")
    write_json(folder / "model.json", job.about(model) | {"seeds": about, "best_seed": best(about)})
    write_history(folder / "history.csv", rows)
    decided = {"asked": job.settings.precision} | asdict(precision)
    record = {"environment": environment(job.device), "precision": decided, "git": git(), "dvc": dvc()}
    write_json(folder / "run.json", who | total(list(who["seeds"].values())) | record)
    remove(CHECKPOINTS / job.name)


def tell(name: str, text: str) -> None:
    """A line for the user; on a terminal it stands above the bar."""
    tqdm.write(f"train {name}: {text}", file=sys.stderr)


def train(
    label: str, model: Model, splits: dict[str, Dataset | Streamed], plan: Recipe, checkpoints: Checkpoints, came: list[int]
) -> State:
    """Fit the model, from the last good checkpoint where there is one; `came` gets the number of a signal.

    Raises Stopped on a signal, UserError.
    """
    state = checkpoints.latest(model, plan.optimizer)
    with progress(range(plan.epochs), f"train {label}", unit="epoch") as bar:
        bar.update(0 if state is None else len(state.rows))

        def log(row: dict[str, float]) -> None:
            bar.set_postfix({f"val_{plan.measure}": f"{row[f'val_{plan.measure}']:.3g}"}, refresh=False)
            bar.update()

        def pause(state: State) -> None:
            if came or checkpoints.is_due():
                checkpoints.save(model, plan.optimizer, state)
            if came:
                going_on = f"goes on {checkpoints.last}" if checkpoints.last else "begins it anew"
                raise Stopped(came[0], f"train {label}: stopped {place(state)}; `dvc repro` {going_on}")

        try:
            return fit(model, splits["train"], splits["val"], plan, log, state, pause, partial(tell, label))
        except TrainingError as reason:
            raise UserError(f"models.{label}: {reason}{seen(list(model.modalities), reason.rows)}{good(checkpoints)}") from None


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


if __name__ == "__main__":
    command(main, *sys.argv[1:])
