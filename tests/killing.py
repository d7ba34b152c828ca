"""Trains the small project's models in processes that are killed at random moments; says in JSON what came of it.

    python tests/killing.py PLAIN KILLED

Each model is trained undisturbed in the folder PLAIN and with kills in KILLED, always in a fork of this process, which need not import
torch again.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from small_project import MODELS

import stages.train
from deconfuse.errors import command

KILLS = 4


def start(root: Path, name: str) -> int:
    """Begin to train a model; returns the process."""
    pid = os.fork()
    if pid > 0:
        return pid
    code = 1
    try:
        os.chdir(root)
        # a line of a dying process can be cut off, so each is appended at once
        os.dup2(os.open(root / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        command(stages.train.main, name)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def killed(root: Path, name: str, turn: int, draw: random.Random) -> dict[str, object] | None:
    """Begin to train, kill, and say what was left; None where the training was done before.

    Of four turns one is killed at a moment from the start on, two after a checkpoint of their own, one while a file is half written.
    """
    folder, began, wait = root / "data/checkpoints" / name / "0", time.monotonic(), draw.uniform(0, 0.25)
    known = names(folder)
    pid = start(root, name)
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if turn % 4 > 0 and names(folder) <= known:
            began = time.monotonic()
        elif time.monotonic() - began >= wait and (turn % 4 < 3 or half_written(folder)):
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


def main(plain: Path, root: Path) -> None:
    draw, kills, codes = random.Random(0), [], {}
    # this process trains nothing: torch would start threads, whose locks a fork inherits as they are
    assert len(list(Path("/proc/self/task").iterdir())) == 1
    for name in MODELS:
        codes[f"{name}, undisturbed"] = ended(start(plain, name))
        kills += [killed(root, name, turn, draw) for turn in range(KILLS)]
        codes[name] = ended(start(root, name))
    print(json.dumps({"kills": [one for one in kills if one], "codes": codes}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
