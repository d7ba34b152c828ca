"""`python -m deconfuse.search` (make search) and `python -m deconfuse.search --write`."""

import argparse
import sys
from collections import Counter
from functools import partial
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from deconfuse.kernel.errors import Stopped, UserError, command, listening
from deconfuse.kernel.params import load
from deconfuse.kernel.params import read as read_params
from deconfuse.kernel.progress import progress
from deconfuse.kernel.words import plural
from deconfuse.obtaining import kinds
from deconfuse.params.data import Data
from deconfuse.params.search import Search
from deconfuse.params.space import Params, changed
from deconfuse.search.runs import Runs
from deconfuse.search.study import Trials, name_of
from deconfuse.search.trial import ROOT, Ended, Trial, train
from deconfuse.search.writing import difference, write
from deconfuse.validation import validate

EXAMPLE = "search: {model: concat, space: {train.learning_rate: {low: 1e-4, high: 1e-2, log: true}}}"


def main() -> None:
    """Search, and say what is best; or write that into params.yaml."""
    parser = argparse.ArgumentParser(
        prog="python -m deconfuse.search", description="Try values of params as `search:` in params.yaml says."
    )
    parser.add_argument("--write", action="store_true", help="search no more; write the best values found into params.yaml")
    arguments = parser.parse_args()
    checked = validate(kinds(read_params("data", Data)))
    if checked.search is None:
        raise UserError(f"params.yaml: `search` is missing; for example\n  {EXAMPLE}")
    params, name = load(), name_of(checked.search, load())
    ROOT.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(ROOT / f"{name}.lock", timeout=0):
            trials = Trials(checked.search, name)
            if not arguments.write:
                run(trials, name, params, f"{checked.tracking.experiment} search")
            tell(trials, params, checked.search, arguments.write)
    except Timeout:
        raise UserError(f"this search, {name}, is running already; wait for it, or end it by Ctrl-C") from None


def run(trials: Trials, name: str, params: Params, experiment: str) -> None:
    """Try until there are as many trials as asked for. Raises Stopped."""
    search, runs = trials.search, Runs(experiment)
    runs.draw([ended(trials, name, params, one) for one in trials.done()])
    with listening() as came, progress(range(search.trials), "search", unit="trial") as bar:
        bar.update(len(trials.done()))
        while len(trials.done()) < search.trials:
            if came:
                raise Stopped(came[0], "search: stopped; `make search` goes on")
            asked = trials.ask()
            trial = trial_of(name, params, search, asked)
            state = train(trial, partial(trials.report, asked), came)
            found = trials.tell(asked, state, trial.loss() if state == "complete" else None)
            trial.tidy()
            last = ended(trials, name, params, found)
            runs.draw([last])
            bar.update()
            tqdm.write(str(last))
            if state == "failed":
                tqdm.write(f"  {trial.reason()}")
            # where it goes to a file, it can be read as it is done
            sys.stdout.flush()


def ended(trials: Trials, name: str, params: Params, one: Any) -> Ended:
    return Ended(trial_of(name, params, trials.search, one), trials.state(one), trials.loss(one), trials.epochs(one))


def trial_of(name: str, params: Params, search: Search, one: Any) -> Trial:
    """What Optuna has of a trial, as ours."""
    place, values = one.user_attrs["place"], one.user_attrs["values"]
    return Trial(name, place, search.model, values, changed(params, values))


def tell(trials: Trials, params: Params, search: Search, is_written: bool) -> None:
    """Say what was found. Raises UserError where nothing was."""
    best = trials.best()
    counts = Counter(trials.state(one) for one in trials.done())
    summary = ", ".join(f"{counts[state]} {state}" for state in ("complete", "pruned", "failed") if counts[state]) or "none yet"
    if best is None:
        raise UserError(f"no trial of {search.model} is complete ({summary}); `make search` tries more, up to search.trials")
    place, values = best.user_attrs["place"], best.user_attrs["values"]
    print(f"{search.model}: {plural(len(trials.done()), 'trial')} ({summary}); the best is trial {place}, validation loss {best.value:.6g}")
    print("\n".join(difference(params, values)))
    if is_written:
        write(values)
        print("written to params.yaml; `make repro` trains it")
    else:
        print("`python -m deconfuse.search --write` writes this into params.yaml")


if __name__ == "__main__":
    command(main)
