"""Checkpoints: what an interrupted training needs to go on as if nothing had been.

A checkpoint is two files, named by epoch and step: tensors, then the JSON that makes it valid. Both are written whole and hashed;
the last two are kept. They lie outside DVC's outputs, which a new run of a stage begins by deleting.
"""

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors.torch import load, save
from torch import Tensor, nn

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import DiskFullError, remove, write_bytes, write_text
from deconfuse.processes.sharded import placed, whole
from deconfuse.processes.team import ALONE, Team
from deconfuse.training.guards import not_finite
from deconfuse.training.state import State, snapshot

ROOT = Path("data/checkpoints")
KEPT = 2
TENSORS = ("sums", "average", "weights")


@contextmanager
def alone(name: str) -> Generator[None]:
    """Let no second process train the model `name`; the lock ends with its process, however that ends. Raises UserError."""
    ROOT.mkdir(parents=True, exist_ok=True)
    holder = ROOT / f"{name}.pid"
    try:
        with FileLock(ROOT / f"{name}.lock", timeout=0):
            # the lock's own file belongs to the library
            holder.write_text(str(os.getpid()), encoding="utf-8")
            yield
    except Timeout:
        pid = holder.read_text(encoding="utf-8") if holder.exists() else "unknown"
        raise UserError(
            f"models.{name}: it is being trained already, by the process {pid}, perhaps left over from an earlier `dvc repro`; "
            f"wait for it, or end it by `kill {pid}`"
        ) from None


class Checkpoints:
    """The checkpoints of one training.

    Args:
        folder: theirs alone; it need not exist.
        key: digest of params, data and code: what was saved under another one is deleted.
        seconds: how old the last one may grow.
        say: takes a line for the user.
        team: the processes that train; the one that leads reads and writes.
    """

    def __init__(self, folder: Path, key: str, seconds: float, say: Callable[[str], None], team: Team = ALONE) -> None:
        self.folder, self.key, self.seconds, self.say = folder, key, seconds, say
        self.team = team
        self.last: str | None = None
        """The place of the last good one, in words."""
        self.looked = time.monotonic()
        self.is_full = False

    def latest(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> State | None:
        """Put model and optimiser where the last good checkpoint saw them; None where there is none."""
        stem, about = json.loads(self.team.told(lambda: json.dumps(self._good()).encode()))
        if about is None:
            return None
        path = self.folder / stem
        tensors = load(self.team.told(path.with_suffix(".safetensors").read_bytes))
        state = restored(about, tensors, model, optimizer, self.team.leads)
        self.last = place(state)
        self.say(f"going on {self.last}, from {path}")
        return state

    def is_due(self) -> bool:
        return time.monotonic() - self.looked >= self.seconds

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, state: State) -> None:
        """Save, unless weights are no numbers; on a full disk the last ones stay as they are, and a line says so."""
        if not_finite(model):
            return
        tensors = flat(model, optimizer, state, self.team.leads)
        if not self.team.leads:
            self.looked, self.last = time.monotonic(), place(state)
            return
        content = save(tensors)
        about = {one.name: getattr(state, one.name) for one in fields(state) if one.name not in TENSORS}
        about |= {"key": self.key, "saved": time.time(), "sha256": hashlib.sha256(content).hexdigest()}
        name = f"{state.epoch:06d}-{state.step:08d}"
        try:
            write_bytes(self.folder / f"{name}.safetensors", content)
            write_text(self.folder / f"{name}.json", json.dumps({"about": about, "sha256": digest(about)}) + "\n")
            self.last, self.is_full = place(state), False
            self._tidy()
        except DiskFullError as error:
            if not self.is_full:
                self.say(f"warning: no checkpoint could be saved, training goes on: {error}")
            self.is_full = True
            self._tidy()
        self.looked = time.monotonic()

    def _good(self) -> tuple[str, dict[str, Any] | None]:
        """Name and content of the last good one; what is none is deleted."""
        for path in sorted(self.folder.glob("[0-9]*.json"), reverse=True):
            about = self._about(path)
            if about is not None:
                self._tidy()
                return path.stem, about
            remove(path)
        self._tidy()
        return "", None

    def _about(self, path: Path) -> dict[str, Any] | None:
        """What a checkpoint says of itself; None where it belongs to another training, or is damaged, which a line then says."""
        try:
            found = json.loads(path.read_bytes())
            about = found["about"]
            if about["key"] != self.key and found["sha256"] == digest(about):
                return None
            tensors = path.with_suffix(".safetensors").read_bytes()
            is_good = found["sha256"] == digest(about) and about["sha256"] == hashlib.sha256(tensors).hexdigest()
        except (OSError, ValueError, KeyError, TypeError):
            is_good = False
        if not is_good:
            self.say(f"warning: the checkpoint {path.with_suffix('')} is damaged; the one before it is taken")
        return about if is_good else None

    def _tidy(self) -> None:
        """Delete what is neither of the last two, and what a killed process has left half written."""
        if self.folder.is_dir():
            good = {path.stem for path in sorted(self.folder.glob("[0-9]*.json"))[-KEPT:]}
            for path in self.folder.iterdir():
                if path.name.startswith(".") or path.stem not in good:
                    remove(path)


def place(state: State) -> str:
    """Where a training goes on, in words."""
    return f"after step {state.step} of epoch {state.epoch}" if state.step > 0 else f"after epoch {state.epoch - 1}"


def digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()


def flat(model: nn.Module, optimizer: torch.optim.Optimizer, state: State, keeps: bool) -> dict[str, Tensor]:
    """All tensors by one name each, on the CPU. The rate and its like are no part of them: the recipe sets them."""
    moments = {f"{i}/{name}": value for i, kept in optimizer.state_dict()["state"].items() for name, value in kept.items()}
    parts = {"model": snapshot(model, keeps), "moments": moments} | {name: getattr(state, name) for name in TENSORS}
    # in one order in all processes, which gather together: what was loaded has another one in each
    values = ((f"{part}/{name}", whole(x.detach())) for part, named in parts.items() for name, x in sorted(named.items()))
    return {name: value.cpu().contiguous() for name, value in values if keeps}


def restored(about: dict[str, Any], tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer, keeps: bool) -> State:
    """The state, without its weights where another process keeps them; model and optimiser are set to what the tensors say."""
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in ("model", "moments", *TENSORS)}
    for name, value in tensors.items():
        part, rest = name.split("/", 1)
        parts[part][rest] = value
    now = model.state_dict()
    model.load_state_dict({name: placed(value, now[name]) for name, value in parts["model"].items()})
    parameters = [value for group in optimizer.param_groups for value in group["params"]]
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in parts["moments"].items():
        i, rest = name.split("/")
        # in the parameter's own memory layout, as they were: in another one sums may round differently
        is_like = value.shape == parameters[int(i)].shape
        moments.setdefault(int(i), {})[rest] = placed(value, parameters[int(i)]) if is_like else value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    parts["average"] = {name: placed(value, now[name]) for name, value in parts["average"].items()}
    if not keeps:
        parts["weights"] = {}
    known = {one.name: about[one.name] for one in fields(State) if one.name not in TENSORS}
    known["pauses"] = [*known["pauses"], [about["saved"], time.time()]]
    return State(**known, **{name: parts[name] for name in TENSORS})
