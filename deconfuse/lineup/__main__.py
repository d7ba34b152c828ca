"""`python -m deconfuse.lineup` (make repro)."""

import json
import sys
from pathlib import Path

from deconfuse.kernel.cores import SHARE, cores
from deconfuse.kernel.errors import Stopped, UserError, command, listening
from deconfuse.kernel.params import load
from deconfuse.lineup.jobs import KINDS, waiting, workers
from deconfuse.lineup.lending import lending
from deconfuse.lineup.lock import in_order, recorded
from deconfuse.lineup.processes import Team, ask, run

LOCK = Path("dvc.lock")


def main() -> None:
    """Do what is left to do. Raises UserError, Stopped; ends with DVC's own status where DVC fails."""
    changed = status()
    if changed == set():
        print("Data and pipelines are up to date.")
        return
    with listening() as came:
        # where it cannot be told, DVC says why
        if changed is not None:
            train(changed, came)
        step(came, "repro")


def status() -> set[str] | None:
    """The stages that are not up to date; None where DVC cannot tell."""
    told = ask("status", "--json")
    return None if told is None else set(json.loads(told))


def step(came: list[int], *words: str) -> None:
    """Run DVC with all of the terminal."""
    code = run(words, came)
    stop(came)
    if code != 0:
        sys.exit(code)


def stop(came: list[int]) -> None:
    if came:
        raise Stopped(came[0], "stopped; `make repro` goes on")


def train(changed: set[str], came: list[int]) -> None:
    """Train the models side by side where there are two or more to train, after all stages that they need."""
    before = recorded(LOCK)
    if any(stage.split("@")[0] not in (*KINDS, "report") for stage in changed):
        step(came, "repro", "embed")
        changed = status() or set()
    params = load()
    jobs = waiting(changed, params["models"])
    number = min(workers(list(jobs), params), len(jobs))
    if number > 1:
        with lending() as variables:
            team = Team(jobs, came, variables | {SHARE: str(max(1, cores() // number))})
            team.work(number)
        in_order(LOCK, before, params)
        judge(team, came)


def judge(team: Team, came: list[int]) -> None:
    """Raise Stopped where a signal came, and UserError where a stage failed."""
    stop(came)
    if team.failed:
        left = f"; not begun: {', '.join(team.left)}" if team.left else ""
        raise UserError(f"failed: {', '.join(team.failed)}{left}; what is done is kept, and `make repro` goes on from there")


if __name__ == "__main__":
    command(main)
