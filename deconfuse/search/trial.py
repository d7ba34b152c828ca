"""One trial: the stage `train`, in a folder of its own under `data/search/`, with its own params and the project's data."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from deconfuse.kernel.errors import Stopped
from deconfuse.kernel.files import digest_json, read_json, remove, write_json
from deconfuse.kernel.words import plural
from deconfuse.training.journal import ROOT as JOURNALS

ROOT = Path("data/search")
SHARED = ("data/prepared", "data/embedded")
TICK = 0.1
"""Seconds after which an epoch or a signal is noticed, at most."""
Row = dict[str, Any]
Report = Callable[[int, float], bool]
"""Takes epoch and validation loss; says whether the trial is to end."""


@dataclass(frozen=True)
class Trial:
    """The values that a trial gives to keys of params, and where it is trained; equal values are trained once."""

    study: str
    place: int
    """From 0, in the order of the search."""
    model: str
    values: dict[str, Any]
    params: dict[str, Any] = field(repr=False)
    """All params, the values among them."""

    @property
    def folder(self) -> Path:
        return ROOT / self.study / digest_json(self.values)[:12]

    @property
    def trained(self) -> Path:
        return self.folder / "data/models" / self.model

    @property
    def is_complete(self) -> bool:
        return (self.trained / "run.json").is_file()

    def rows(self) -> list[Row]:
        """The epochs that are done, with `seed` and `ended` (unix seconds)."""
        path = self.folder / JOURNALS / f"{self.model}.jsonl"
        # the last line may be half written
        text = path.read_text(encoding="utf-8").rpartition("\n")[0] if path.is_file() else ""
        lines = [json.loads(line) for line in text.splitlines()]
        return [{"seed": line["seed"], "ended": line["ended"], **line["row"]} for line in lines if "row" in line]

    def loss(self) -> float:
        """What the search lowers: the validation loss of the epoch that is kept, the mean over seeds."""
        best = {seed: each["best_epoch"] for seed, each in read_json(self.trained / "model.json")["seeds"].items()}
        with (self.trained / "history.csv").open(encoding="utf-8", newline="") as file:
            losses = [float(row["val_loss"]) for row in csv.DictReader(file) if best[row["seed"]] == int(row["epoch"])]
        return sum(losses) / len(losses)

    def lay_out(self) -> None:
        """Make the folder, params and data included."""
        # its run is drawn at its end, in the search's own experiment
        tracking = (self.params.get("tracking") or {}) | {"live": None}
        write_json(self.folder / "params.yaml", self.params | {"tracking": tracking})
        for name in SHARED:
            link = self.folder / name
            if not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.unlink(missing_ok=True)
                link.symlink_to(Path(name).resolve())

    def begin(self) -> subprocess.Popen:
        """Start to train, in a process group that no Ctrl-C reaches but ours."""
        self.lay_out()
        paths = [str(Path.cwd()), *filter(None, [os.environ.get("PYTHONPATH")])]
        with (self.folder / "train.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "stages.train", self.model],
                cwd=self.folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    def tidy(self) -> None:
        """Delete what is large: who takes the values over trains them again, to the same bytes."""
        remove(self.trained / "seeds")
        remove(self.folder / "data/checkpoints" / self.model)

    def reason(self) -> str:
        """The last words of a training that failed."""
        lines = (self.folder / "train.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Ended:
    """How a trial ended."""

    trial: Trial
    state: State
    loss: float | None
    """Where it is complete."""
    epochs: int | None
    """Where it was pruned, the epoch after which; the training may have been further."""

    def rows(self) -> list[Row]:
        """The epochs that count."""
        rows = self.trial.rows()
        return rows if self.epochs is None else rows[: self.epochs]

    def __str__(self) -> str:
        outcome = self.state if self.loss is None else f"validation loss {self.loss:.6g}"
        values = ", ".join(f"{key}={value}" for key, value in self.trial.values.items())
        return f"trial {self.trial.place}: {outcome}, after {plural(len(self.rows()), 'epoch')}; {values}"


def train(trial: Trial, report: Report, came: list[int]) -> State:
    """Train until the end, or until `report`, told of each epoch in turn, has enough of it. Raises Stopped on a signal."""
    seen, process = 0, None
    wait_for_orphan(trial, came)
    if not trial.is_complete:
        process = trial.begin()
    while True:
        is_over = process is None or process.poll() is not None
        rows = trial.rows()
        for row in rows[seen:]:
            # of several seeds the first one decides
            if row["seed"] == rows[0]["seed"] and report(row["epoch"], row["val_loss"]):
                end(process, signal.SIGTERM)
                return "pruned"
        seen = len(rows)
        if is_over:
            return "complete" if trial.is_complete else "failed"
        if came:
            end(process, signal.SIGINT)
            raise Stopped(came[0], f"search: trial {trial.place} stopped; `make search` goes on")
        time.sleep(TICK)


def wait_for_orphan(trial: Trial, came: list[int]) -> None:
    """Wait for a training that outlived the search that began it. Raises Stopped."""
    lock = trial.folder / f"data/checkpoints/{trial.model}.lock"
    while lock.exists() and not came:
        with suppress(Timeout), FileLock(lock, timeout=1):
            return
    if came:
        raise Stopped(came[0], "search: stopped; `make search` goes on")


def end(process: subprocess.Popen | None, number: int) -> None:
    """Send a signal to a training, and wait until it has saved what it will."""
    if process is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait()
