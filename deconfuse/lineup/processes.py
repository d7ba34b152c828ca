"""DVC's processes: how they are started, heard and stopped."""

import os
import queue
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import IO

from deconfuse.kernel.progress import progress
from deconfuse.lineup.jobs import Jobs

DVC = [sys.executable, "-m", "dvc"]
ADVICE = "To track the changes with git"
TICK = 0.2
"""Seconds after which a signal is noticed, at most."""


def ask(*words: str) -> str | None:
    """What DVC answers; None where it fails."""
    asked = subprocess.run([*DVC, *words], capture_output=True, text=True, check=False)
    return asked.stdout if asked.returncode == 0 else None


def run(words: tuple[str, ...], came: list[int]) -> int:
    """Run DVC on the terminal as it is, and pass a signal on to it; returns its exit status."""
    process = subprocess.Popen([*DVC, *words], process_group=0)
    told = False
    while True:
        try:
            return process.wait(TICK)
        except subprocess.TimeoutExpired:
            if came and not told:
                end(process)
                told = True


def end(process: subprocess.Popen, number: int = signal.SIGINT) -> None:
    """Send a signal to a process that leads a group, and to all in it.

    It is SIGINT also where SIGTERM came: DVC waits for its stage on that one, and on the other leaves it behind.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


class Team:
    """So many DVC processes at a time, each on all stages of one model."""

    def __init__(self, jobs: Jobs, came: list[int], variables: dict[str, str]) -> None:
        """`variables` are added to the environment of DVC's processes."""
        self.jobs, self.came, self.environment = jobs, came, os.environ | variables
        self.left = list(jobs)
        """Models that were not begun."""
        self.failed: list[str] = []
        self.running: dict[str, subprocess.Popen] = {}
        self.heard: queue.Queue[tuple[str, str | None]] = queue.Queue()

    def work(self, number: int) -> None:
        """Until all is done; a failure or a signal lets no more begin. A failure lets the others end, a signal stops them."""
        told = False
        with progress(self.jobs, "line-up", unit="model") as self.bar:
            try:
                while self.running or (self.left and not self.failed and not self.came):
                    while self.left and len(self.running) < number and not self.failed and not self.came:
                        self._begin(self.left.pop(0))
                    self._listen()
                    if self.came and not told:
                        for process in self.running.values():
                            end(process)
                        told = True
            finally:
                # a second signal does not wait
                for process in self.running.values():
                    end(process, signal.SIGTERM)

    def _begin(self, name: str) -> None:
        words = [*DVC, "--wait-for-lock", "repro", "--single-item", *self.jobs[name]]
        process = subprocess.Popen(
            words,
            env=self.environment,
            process_group=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self.running[name] = process
        assert process.stdout is not None
        threading.Thread(target=self._hear, args=(name, process.stdout), daemon=True).start()
        self.bar.set_postfix_str(", ".join(self.running))

    def _hear(self, name: str, out: IO[str]) -> None:
        """Take a process's lines to where one thread prints them, but for DVC's advice at the end."""
        is_advice = False
        for line in out:
            is_advice = is_advice or line.startswith(ADVICE)
            if not is_advice and line.strip():
                self.heard.put((name, line.rstrip()))
        self.heard.put((name, None))

    def _listen(self) -> None:
        """Print a line of a model, or close its process."""
        try:
            name, line = self.heard.get(timeout=TICK)
        except queue.Empty:
            return
        if line is None:
            self._close(name)
        else:
            self.bar.write(f"{name} | {line}")
            # where it goes to a file, DVC's own lines shall not overtake it
            sys.stdout.flush()

    def _close(self, name: str) -> None:
        if self.running.pop(name).wait() != 0:
            self.failed.append(name)
        self.bar.update()
        self.bar.set_postfix_str(", ".join(self.running))
