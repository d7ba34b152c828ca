"""What every measurement needs: the machine in words, processes with what they cost, medians with their spread, a table."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from deconfuse.kernel.cores import SHARE

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Cost:
    """What a process took."""

    seconds: float
    """From start to end."""
    cpu: float
    """Seconds of all its threads, and of its children that have ended before it."""
    children: float
    """Of these the children's; 0 where the system does not say (Linux does)."""
    mebibytes: float
    """The most memory that it held."""
    said: str
    """Its standard output."""

    def answer(self) -> dict[str, Any]:
        """The JSON on the last line of what it said."""
        return json.loads(self.said.splitlines()[-1])


def run(command: Sequence[str | Path], threads: int = 1, folder: Path = ROOT, python: str = sys.executable, **variables: str) -> Cost:
    """Run `python -m COMMAND` with so many threads and cores, this project on its path. Raises SystemExit with its messages where it fails.

    The memory is what Linux keeps for a child, which counts what the parent held when it started it: keep the parent small.
    """
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), SHARE: str(threads), "PYTHONPATH": str(ROOT)} | variables
    with tempfile.TemporaryFile("w+") as said, tempfile.TemporaryFile("w+") as errors:
        begun = time.perf_counter()
        words = [python, "-m", *map(str, command)]
        process = subprocess.Popen(words, cwd=folder, env=environment, stdout=said, stderr=errors)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        children = of_children(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (said, errors):
            file.seek(0)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)}: exit code {process.returncode}\n{errors.read()}{said.read()}")
        return Cost(seconds, usage.ru_utime + usage.ru_stime, children, usage.ru_maxrss / 1024, said.read())


def of_children(pid: int) -> float:
    """CPU seconds of the children that a process has waited for."""
    path = Path(f"/proc/{pid}/stat")
    # the name before the last bracket may hold spaces
    fields = path.read_text().rpartition(")")[2].split() if path.exists() else ["0"] * 15
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def turns(contenders: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[Any]]:
    """What each contender gives in each round, all in turn, so that a busy machine slows all of them alike."""
    found: dict[str, list[Any]] = {name: [] for name in contenders}
    for number in range(rounds):
        # forwards and backwards in turn: nobody always comes after the same one
        for name in list(contenders)[:: 1 if number % 2 == 0 else -1]:
            found[name].append(contenders[name]())
    return found


def spread(values: Iterable[float], digits: int = 3) -> str:
    """Median (least to most), to so many significant digits."""
    found = list(values)
    middle, least, most = (short(value, digits) for value in (median(found), min(found), max(found)))
    return f"{middle} ({least}-{most})"


def short(value: float, digits: int = 3) -> str:
    """A number to so many significant digits, never as a power of ten."""
    return f"{value:.{digits}g}" if abs(value) < 10**digits - 0.5 or value == float("inf") else f"{value:,.0f}"


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Theirs over ours, round by round."""
    return [b / a for a, b in zip(ours, theirs, strict=True)]


def arguments(about: str, rounds: int) -> argparse.ArgumentParser:
    """Options that all measurements have."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds, help=f"rounds, each with all contenders in turn (default {rounds})")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the work, for a first look (default 1.0)")
    return parser


def head(chosen: argparse.Namespace, libraries: Sequence[str] = ("torch", "numpy")) -> None:
    """Print the machine, the versions, the commit, the options and the load before the start."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    versions = ", ".join(f"{name} {version(name)}" for name in libraries)
    options = ", ".join(f"{name} {value}" for name, value in sorted(vars(chosen).items()))
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}, commit {commit or 'none'}")
    print(f"{options}; load before the start {os.getloadavg()[0]:.2f}; median (least-most) over rounds\n", flush=True)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0]} ({platform.machine()})" if names else platform.machine()


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a Markdown table."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for row in rows:
        print(f"| {' | '.join(map(str, row))} |")
    print(flush=True)
