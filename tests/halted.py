"""A training by the train stage in a process of its own, which halts where a test wants to do something."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parents[1]
MODEL = "cnn"


@dataclass
class Training:
    """A running one of the small project's model, or one that has halted after an epoch."""

    process: subprocess.Popen[bytes]
    folder: Path

    @classmethod
    def begin(cls, folder: Path, *epochs: int, uri: str | None = None) -> "Training":
        own = {"PYTHONPATH": str(ROOT), "DVC_ROOT": str(folder)} | ({"MLFLOW_TRACKING_URI": uri} if uri else {})
        outer = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
        line = [sys.executable, ROOT / "tests/halting.py", MODEL, *map(str, epochs)]
        with (folder / "said").open("wb") as said:
            return cls(subprocess.Popen(line, cwd=folder, env=outer | own, stdout=said, stderr=said), folder)

    def halted(self) -> None:
        """Wait until it halts."""
        _, status = os.waitpid(self.process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), self.said

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ended(self) -> None:
        """Let it go on to its end, which must be a good one, while its follower may be at work still."""
        self.go_on()
        assert self.process.wait(120) == 0, self.said

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text()

    @property
    def problem(self) -> Path:
        return self.folder / f"data/live/{MODEL}.problem"

    def follower(self) -> psutil.Process:
        (found,) = psutil.Process(self.process.pid).children()
        return found


def soon(what: Callable[[], Any], seconds: float = 120) -> Any:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.1)
    return found
