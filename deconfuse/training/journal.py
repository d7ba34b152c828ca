"""The log of a training that is under way, a JSON object a line: for people (`tail -f data/live/MODEL.jsonl`), and for the process
that draws it in MLflow as it grows.

    {"begin": {...}}                                who it is: identity, code, machine
    {"seed": 0, "started": ...}                     unix seconds
    {"seed": 0, "ended": ..., "row": {...}}         an epoch
    {"system": {"at": ..., "cpu_percent": ...}}     now and then
    {"end": true}                                   the model is complete; false: it was broken off

It is no output of the pipeline, and nothing that goes wrong with it costs the training anything.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from deconfuse.training.machine import Machine
from deconfuse.training.state import State

ROOT = Path("data/live")
# named, not imported: the training does not depend on how it is shown
FOLLOWER = "deconfuse.live"
SECONDS = 10.0
"""Between two looks at the machine."""


class Journal:
    """The log of a model's training; begun anew each time, also where the training goes on."""

    def __init__(self, name: str) -> None:
        self.path = ROOT / f"{name}.jsonl"
        self.problem = ROOT / f"{name}.problem"
        self.machine = Machine(SECONDS)
        self.written: dict[int, int] = {}
        """By seed how many epochs are in the log."""
        self.file: TextIO | None = None
        self.follower: subprocess.Popen[bytes] | None = None

    def begin(self, about: dict[str, Any]) -> None:
        """Write the first line, `about` what run.json and model.json will say but for times and results; start who follows the log."""
        self.machine.samples = samples(self.path, about["digest"])
        try:
            ROOT.mkdir(parents=True, exist_ok=True)
            # a new file: whoever reads the old one still has it
            self.path.unlink(missing_ok=True)
            self.problem.unlink(missing_ok=True)
            self.file = self.path.open("w", encoding="utf-8")
        except OSError:
            return
        self.write({"begin": about})
        for sample in self.machine.samples:
            self.write({"system": sample})
        self.follower = follower(self.path)

    def looks(self) -> list[dict[str, float]]:
        """What was seen of the machine, now included."""
        self.write({"system": self.machine.look()})
        return self.machine.samples

    def follow(self, seed: int, state: State) -> None:
        """Note what is new; called after every step."""
        known = self.written.get(seed)
        if known is None:
            self.write({"seed": seed, "started": state.started})
        for place in range(known or 0, len(state.rows)):
            self.write({"seed": seed, "ended": state.ended[place], "row": state.rows[place]})
        self.written[seed] = len(state.rows)
        if self.machine.is_due():
            self.write({"system": self.machine.look()})

    def write(self, line: dict[str, Any]) -> None:
        """Add a line; on a full disk the log ends here."""
        if self.file is not None:
            try:
                self.file.write(json.dumps(line) + "\n")
                self.file.flush()
            except OSError:
                self.file = None

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.write({"end": kind is None})
        if self.file is not None:
            self.file.close()
        self.warn()

    def warn(self) -> None:
        """Tell what whoever draws the log could not do until now."""
        try:
            reason = self.problem.read_text(encoding="utf-8").strip() if self.follower is not None else ""
        except OSError:
            return
        if reason:
            print(f"warning: tracking: {reason}; training went on without it; `report` or `make sync` draws the run", file=sys.stderr)


def samples(path: Path, digest: str) -> list[dict[str, float]]:
    """What an attempt at the same training that was broken off has noted of the machine."""
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        is_same = lines[0]["begin"]["digest"] == digest and lines[-1] != {"end": True}
        return [line["system"] for line in lines if "system" in line] if is_same else []
    except (OSError, ValueError, LookupError, TypeError):
        # none, or cut off by a crash
        return []


def follower(path: Path) -> subprocess.Popen[bytes] | None:
    """Start the process that draws the log: in a session of its own, so that a Ctrl-C here does not reach it."""
    command = [sys.executable, "-m", FOLLOWER, str(path.absolute()), str(os.getpid())]
    nothing = subprocess.DEVNULL
    try:
        return subprocess.Popen(command, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True)
    except OSError:
        return None
