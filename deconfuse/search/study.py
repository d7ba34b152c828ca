"""The study: what Optuna keeps of the trials, in `data/search/search.db`, and what it asks for next.

What is drawn for a trial follows from the search's seed, the trial's place and the trials before it, so that a search that is
interrupted tries what an undisturbed one tries.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deconfuse.kernel.files import digest_files, digest_json, read_json
from deconfuse.kernel.params import load
from deconfuse.params.search import Between, Search
from deconfuse.params.space import Params, changed
from deconfuse.search.trial import ROOT, State

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial
    from optuna.trial import Trial as Asked

ATTEMPTS = 3
"""How often a trial is begun that its search does not outlive."""
DIGITS = 4
"""Significant digits of a number from a range."""


def name_of(search: Search, params: Params) -> str:
    """The study's name: another space, other params or data or code of `train` is another study; more trials are not."""
    base = changed({key: params[key] for key in ("train", "models")}, dict.fromkeys(search.space))
    schema = read_json(Path("data/prepared/schema.json"))
    entry = base["models"][search.model]
    specs = {name: read_json(Path(f"data/embedded/spec/{name}.json"))["digest"] for name in entry["encoders"]}
    about = {
        "search": search.model_dump(mode="json", exclude={"trials"}),
        "train": {key: value for key, value in base["train"].items() if key != "checkpoint"},
        "model": entry,
        "data": [schema["digest"], specs],
        "code": code(),
    }
    return f"{search.model}-{digest_json(about)[:12]}"


def code() -> str:
    """Digest of the code that the stage `train` depends on."""
    deps = [Path(path) for path in load(Path("dvc.yaml"))["stages"]["train"]["do"]["deps"] if path.startswith(("deconfuse", "stages"))]
    files = [file for path in deps for file in (path.rglob("*.py") if path.is_dir() else [path])]
    return digest_files(Path(), files)


class Trials:
    """The trials of a study, the earlier ones included."""

    def __init__(self, search: Search, name: str) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna, self.search = optuna, search
        pruner = optuna.pruners.MedianPruner(n_startup_trials=search.startup) if search.pruner == "median" else optuna.pruners.NopPruner()
        self.study: Study = optuna.create_study(
            storage=f"sqlite:///{ROOT / 'search.db'}", study_name=name, load_if_exists=True, direction="minimize", pruner=pruner
        )
        self._take_up()

    def _take_up(self) -> None:
        """Put what was running when the last search ended to be tried again."""
        running = self.optuna.trial.TrialState.RUNNING
        for lost in self.study.get_trials(states=(running,)):
            attempt = lost.user_attrs.get("attempt", 1)
            self.study.tell(lost.number, state=self.optuna.trial.TrialState.FAIL)
            if "values" in lost.user_attrs and attempt < ATTEMPTS:
                self.study.enqueue_trial(lost.params, user_attrs={"attempt": attempt + 1, "instead": lost.number})

    def done(self) -> list["FrozenTrial"]:
        """Those that have come to an end; what was begun again counts once, what had not begun to train not at all."""
        trials = self.study.get_trials()
        replaced = {trial.user_attrs.get("instead") for trial in trials}
        return [trial for trial in trials if trial.state.is_finished() and trial.number not in replaced and "values" in trial.user_attrs]

    def ask(self) -> "Asked":
        """The next trial; its user attributes say its `place`, from 0, and its `values`."""
        place = len(self.done())
        # one for each trial: an interruption loses no place in a stream
        self.study.sampler = self.optuna.samplers.TPESampler(
            seed=int(digest_json([self.search.seed, place])[:8], 16), n_startup_trials=self.search.startup
        )
        asked = self.study.ask()
        values = {key: self._value(asked, key, option) for key, option in self.search.space.items()}
        asked.set_user_attr("place", place)
        asked.set_user_attr("values", values)
        return asked

    def _value(self, asked: "Asked", key: str, option: Between | list[Any]) -> Any:
        if isinstance(option, list):
            # of JSON, since Optuna takes no mapping
            return json.loads(asked.suggest_categorical(key, [json.dumps(value) for value in option]))
        if option.is_whole:
            return asked.suggest_int(key, int(option.low), int(option.high), log=option.log)
        value = asked.suggest_float(key, option.low, option.high, log=option.log)
        return min(max(float(f"{value:.{DIGITS}g}"), option.low), option.high)

    def report(self, asked: "Asked", epoch: int, loss: float) -> bool:
        """Take in an epoch; says whether the trial is not worth going on with."""
        asked.report(loss, epoch)
        return asked.should_prune()

    def tell(self, asked: "Asked", state: State, loss: float | None) -> "FrozenTrial":
        states = self.optuna.trial.TrialState
        known = {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}
        return self.study.tell(asked.number, loss, known[state])

    def loss(self, trial: "FrozenTrial") -> float | None:
        """Of a complete trial; Optuna gives pruned ones the last value that they reported."""
        return trial.value if self.state(trial) == "complete" else None

    def epochs(self, trial: "FrozenTrial") -> int | None:
        """After which epoch a trial was pruned; None where it was not."""
        return max(trial.intermediate_values) if self.state(trial) == "pruned" else None

    def state(self, trial: "FrozenTrial") -> State:
        """How a trial ended."""
        states = self.optuna.trial.TrialState
        return "complete" if trial.state == states.COMPLETE else "pruned" if trial.state == states.PRUNED else "failed"

    def best(self) -> "FrozenTrial | None":
        """The complete trial with the lowest loss."""
        complete = [trial for trial in self.done() if trial.state == self.optuna.trial.TrialState.COMPLETE]
        return min(complete, key=lambda trial: (trial.value, trial.number), default=None)
