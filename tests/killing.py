"""Trains a project's models in processes that are killed at random moments; says in JSON what came of it.

    python tests/killing.py PLAIN KILLED KIND...

Each model is trained undisturbed and by one core in the folder PLAIN; by two in KILLED, with a kill of each KIND: `any` moment from the
start on, `later`, after a checkpoint of its own, `writing`, while a file is half written. Always in a fork of this process, which need not
import torch again.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

import stages.train
from deconfuse.kernel.cores import SHARE
from deconfuse.kernel.errors import command
from deconfuse.training import side_by_side


def start(root: Path, name: str, cores: int) -> int:
    """Begin to train a model; returns the process."""
    pid = os.fork()
    if pid > 0:
        return pid
    code = 1
    try:
        os.chdir(root)
        os.environ[SHARE] = str(cores)
        # a line of a dying process can be cut off, so each is appended at once
        os.dup2(os.open(root / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        command(stages.train.main, name)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def killed(root: Path, name: str, kind: str, draw: random.Random) -> dict[str, object] | None:
    """Begin to train, kill, and say what was left; None where the training was done before."""
    folder, began, wait = root / "data/checkpoints" / name / "0", time.monotonic(), draw.uniform(0, 0.25)
    known = names(folder)
    pid = start(root, name, 2)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if kind != "any" and names(folder) <= known:
            began = time.monotonic()
        elif time.monotonic() - began >= wait and (kind != "writing" or half_written(folder)):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return {"model": name, "last": max(names(folder), default=None), "half_written": len(half_written(folder))}
    return None


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def names(folder: Path) -> set[str]:
    try:
        return {path.stem for path in folder.glob("[0-9]*.json")}
    except FileNotFoundError:
        # the training is done, and deletes its folder while it is being looked at
        return set()


def half_written(folder: Path) -> list[Path]:
    try:
        return list(folder.glob(".*.tmp"))
    except FileNotFoundError:
        return []


def main(plain: Path, root: Path, kinds: list[str]) -> None:
    draw, kills, codes = random.Random(0), [], {}
    # this process trains nothing: torch would start threads, whose locks a fork inherits as they are
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    # encoders as small as these would else be left one after the other
    side_by_side.WORTH = 0.0
    for name in YAML(typ="safe").load(plain / "params.yaml")["models"]:
        codes[f"{name}, undisturbed"] = ended(start(plain, name, 1))
        kills += [killed(root, name, kind, draw) for kind in kinds]
        codes[name] = ended(start(root, name, 2))
    print(json.dumps({"kills": [one for one in kills if one], "codes": codes}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
