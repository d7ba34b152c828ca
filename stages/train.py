"""Train one model of the line-up.

    python -m stages.train MODEL

Reads the train and val splits under `data/embedded/` and `data/prepared/`; params `train` and `models.MODEL`. Writes
`data/models/MODEL/` (see `deconfuse/runtime/trained.py`): weights and history of each seed, `model.json` and, last, `run.json`.
Interrupted, it goes on from `data/checkpoints/MODEL/SEED/`, to the same bytes; a seed that is done waits there for the others.
"""

import json
import signal
import sys
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from deconfuse.kernel.errors import Stopped, UserError, command, listening
from deconfuse.kernel.files import read_json, remove, whole, write_json
from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import read as read_params
from deconfuse.kernel.progress import progress
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry
from deconfuse.params.train import Train
from deconfuse.processes.places import is_one_of_several, leads, processes, take_gpu
from deconfuse.processes.team import ALONE, Team
from deconfuse.reading.residence import place as placed
from deconfuse.reading.stored import EMBEDDED, PREPARED
from deconfuse.reading.streaming import Streamed
from deconfuse.regularisation.reconstruction import check as check_reconstruction
from deconfuse.runtime.device import prepare
from deconfuse.runtime.trained import MODELS, SEEDS, write_table, write_weights
from deconfuse.tasks import Task
from deconfuse.training.account import best, summary, timing, total
from deconfuse.training.checkpoints import ROOT as CHECKPOINTS
from deconfuse.training.checkpoints import Checkpoints, alone, place
from deconfuse.training.diagnosis import COLUMNS
from deconfuse.training.guards import TrainingError
from deconfuse.training.identity import circumstances, identity
from deconfuse.training.job import Job, usable
from deconfuse.training.journal import Journal
from deconfuse.training.loop import fit
from deconfuse.training.recipe import Recipe
from deconfuse.training.state import State

SHOWN = 20


def main(name: str) -> None:
    """Train the model in as many processes as params say."""
    if is_one_of_several():
        take_part(name)
        return
    settings = params(name)[1]
    number = processes(settings.launch, settings.device)
    if number * settings.launch.machines == 1:
        with alone(name), Journal(name) as journal:
            make(prepared(name, ALONE, prepare(settings.device, settings.threads, settings.precision)), journal)
    else:
        if settings.compile or settings.cuda_graph or settings.diagnose:
            raise UserError(
                f"models.{name}: what several processes train is neither compiled, recorded nor diagnosed; set train.compile, "
                "train.cuda_graph and train.diagnose to false, or train.launch.processes to 1"
            )
        # late, as is all that one process does without
        from deconfuse.processes.launching import run

        run("stages.train", [name], settings.launch, number, f"models.{name}")


def take_part(name: str) -> None:
    """Train the model as one of several processes; the one that leads writes its folder."""
    from deconfuse.processes.distributed import gathered
    from deconfuse.processes.ending import reported

    with reported(leads()), alone(name) if leads() else nullcontext(), Journal(name) as journal:
        settings = params(name)[1]
        take_gpu(settings.device)
        device = prepare(settings.device, settings.threads, settings.precision)
        with gathered(device, settings.launch.strategy, settings.launch.timeout) as team:
            make(prepared(name, team, device), journal)


def params(name: str) -> tuple[Entry, Train]:
    """The model's entry, and the settings that it is trained with. Raises UserError."""
    entry: Entry = read_params(f"models.{name}", Entry)
    return entry, entry.training(read_params("train", Train))


def prepared(name: str, team: Team, device: torch.device) -> Job:
    """Read params and data. Raises UserError."""
    entry, settings = params(name)
    check_reconstruction(entry, settings.reconstruction, f"models.{name}")
    schema = read_json(PREPARED / "schema.json")
    specs = {modality: read_json(EMBEDDED / "spec" / f"{modality}.json") for modality in entry.encoders}
    task: Task = part("tasks", schema["task"])()
    splits = placed(usable(name, entry, sorted(schema["modalities"])), device, settings.resident, partial(tell, team, name), team.here)
    return Job(name, entry, settings, device, schema, specs, task, splits, team)


def make(job: Job, journal: Journal) -> None:
    """Train the model with each seed, and write its folder."""
    folder, seeds, team = MODELS / job.name, job.settings.seeds, job.team
    who: dict[str, Any] = {}
    about, history, diagnosis = {}, [], []
    for left in folder.glob(".*.tmp") if team.leads else []:
        # half a file, by a process that was killed
        remove(left)
    with whole(folder / SEEDS) if team.leads else nullcontext(folder) as made, listening() as came:
        for seed in seeds:
            # what holds for all seeds is said once
            model, plan, precision = job.begin(seed, partial(tell, team, job.name) if seed == seeds[0] else lambda text: None)
            if not who:
                # before the first step: what that imports is no part of the code's digest
                who = {**identity(job.entry, job.settings, job.schema, job.specs, team.size), **circumstances(job.device, team.size)}
                who |= {"precision": {"asked": job.settings.precision} | asdict(precision)}
                if team.leads:
                    journal.begin(who | {"model": job.about(model)})
            run = who["seeds"][str(seed)]
            label = job.name if len(seeds) == 1 else f"{job.name}, seed {seed}"
            if seed == seeds[0] and job.settings.precision == "auto" and precision.bf16:
                tell(team, job.name, str(precision))
            # on another processor the decision may be another one
            key = " ".join([run["digest"], *precision.bf16])
            team.are_alike(key)
            saved = CHECKPOINTS / job.name / str(seed)
            checkpoints = Checkpoints(saved, key, job.settings.checkpoint, partial(tell, team, label), team)
            state = train(label, model, job.splits, plan, checkpoints, came, journal)
            if seed != seeds[-1] and team.agreed(checkpoints.last != place(state))[0]:
                # so that it need not be trained again where a later seed is interrupted
                checkpoints.save(model, plan.optimizer, state)
            if not team.leads:
                continue
            about[str(seed)] = summary(state) | {"sha256": write_weights(made, seed, state.weights)}
            run |= timing(state, len(job.splits["train"]))
            history += [{"seed": seed, **row} for row in state.rows]
            diagnosis += [{"seed": seed, **row} for row in state.diagnosis]
        if not team.leads:
            return
        # its presence says that the model is complete: gone before another one takes its place, written last
        remove(folder / "run.json")
    write_json(folder / "model.json", job.about(model) | {"seeds": about, "best_seed": best(about)})
    write_table(folder / "history.csv", list(history[0]), history)
    # for every model: an output that DVC knows of must be there
    write_table(folder / "diagnosis.csv", COLUMNS, diagnosis)
    write_json(folder / "run.json", who | total(list(who["seeds"].values())) | {"system": journal.looks()})
    remove(CHECKPOINTS / job.name)


def tell(team: Team, name: str, text: str) -> None:
    """A line for the user, from the process that leads; on a terminal it stands above the bar."""
    if team.leads:
        tqdm.write(f"train {name}: {text}", file=sys.stderr)


def train(
    label: str,
    model: Model,
    splits: dict[str, Dataset | Streamed],
    plan: Recipe,
    checkpoints: Checkpoints,
    came: list[int],
    journal: Journal,
) -> State:
    """Fit the model, from the last good checkpoint where there is one; `came` gets the number of a signal.

    Raises Stopped on a signal, UserError.
    """
    state = checkpoints.latest(model, plan.optimizer)
    with progress(range(plan.epochs), f"train {label}", unit="epoch", hidden=not plan.team.leads) as bar:
        bar.update(0 if state is None else len(state.rows))

        def log(row: dict[str, float]) -> None:
            bar.set_postfix({f"val_{plan.measure}": f"{row[f'val_{plan.measure}']:.3g}"}, refresh=False)
            bar.update()

        def pause(state: State) -> None:
            journal.follow(plan.seed, state)
            if plan.team.is_orphan():
                came.append(signal.SIGTERM)
            number, is_due = plan.team.agreed(came[0] if came else 0, checkpoints.is_due())
            if number or is_due:
                checkpoints.save(model, plan.optimizer, state)
            if number:
                going_on = f"goes on {checkpoints.last}" if checkpoints.last else "begins it anew"
                raise Stopped(number, f"train {label}: stopped {place(state)}; `dvc repro` {going_on}")

        try:
            return fit(model, splits["train"], splits["val"], plan, log, state, pause, partial(tell, plan.team, label))
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
