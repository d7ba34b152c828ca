"""Each trial as a run in MLflow, in an experiment of the search's own, drawn from the trial's folder."""

import json
import sys
from dataclasses import dataclass
from functools import partial

from deconfuse.kernel.files import digest_json, read_json
from deconfuse.kernel.params import check
from deconfuse.params.models import Model
from deconfuse.params.train import Train
from deconfuse.search.trial import Ended, Trial
from deconfuse.tracking import drawing
from deconfuse.tracking.faults import one_line
from deconfuse.tracking.points import Points, points
from deconfuse.tracking.projection import make_experiment
from deconfuse.tracking.record import DIGEST_TAG, KIND_TAG, Record
from deconfuse.tracking.shown import as_yaml, flatten, redact
from deconfuse.tracking.store import find
from deconfuse.tracking.twins import settled


@dataclass
class Runs:
    """Draws trials; after a failure no more, so that a dead server costs a search a line."""

    experiment: str
    problem: str | None = None

    def draw(self, trials: list[Ended]) -> None:
        """Give trials their runs, unless they have them."""
        if self.problem is not None or not trials:
            return
        try:
            store = find()
            with store.alone():
                store.prepare()
                client = store.client()
                experiment_id = make_experiment(client, self.experiment, store)
            for trial in trials:
                drawn = record(trial)
                with store.alone():
                    settled(client, experiment_id, drawn.digest, partial(drawing.draw, client, experiment_id, drawn))
        # MLflow lets through errors of SQLAlchemy, alembic, requests and the disk; none may cost a search
        except Exception as error:  # noqa: BLE001
            self.problem = f"tracking: {one_line(error)}; the trials are kept, and the next `make search` draws them"
            print(f"warning: {self.problem}", file=sys.stderr)


def record(ended: Ended) -> Record:
    """What MLflow shows of a trial: no weights, for they are trained again when its values are taken over."""
    trial, rows, log = ended.trial, ended.rows(), ended.trial.folder / "train.log"
    times = [row["ended"] for row in rows] or [log.stat().st_mtime]
    data = redact(trial.params.get("data") or {})
    tags = {
        KIND_TAG: "trial",
        DIGEST_TAG: digest_json(["trial", trial.study, trial.values, ended.state]),
        "model": trial.model,
        "search.study": trial.study,
        "search.trial": str(trial.place),
        "search.state": ended.state,
    }
    return Record(
        name=f"{trial.model} (trial {trial.place})",
        digest=tags[DIGEST_TAG],
        evaluation=None,
        started=round(times[0] * 1000),
        ended=round(times[-1] * 1000),
        params=resolved(trial),
        tags=tags | ({"search.reason": trial.reason()[:500]} if ended.state == "failed" else {}),
        curves=[point for row in rows for point in curve(row, len({one["seed"] for one in rows}))],
        figures={} if ended.loss is None else {"search/val_loss": ended.loss},
        scores={},
        files={"params.yaml": as_yaml(trial.params), "train.log": log.read_text(encoding="utf-8", errors="replace")},
        evaluation_files={},
        data=(str(data.get("source", "data")), digest_json(schema(trial)["digest"])[:36], json.dumps(data, sort_keys=True)),
        seeds={},
    )


def schema(trial: Trial) -> dict:
    return read_json(trial.folder / "data/prepared/schema.json")


def curve(row: dict, seeds: int) -> Points:
    """An epoch as metrics, those of several seeds under names of their own."""
    end = "" if seeds == 1 else f"/seed_{row['seed']}"
    shown = {name: value for name, value in row.items() if name not in ("seed", "ended")}
    return [(f"{name}{end}", value, at, epoch) for name, value, at, epoch in points(shown, row["ended"])]


def resolved(trial: Trial) -> dict[str, str]:
    """The values under the names that the search has for them, and all settings of the training as other runs have them."""
    entry: Model = check(trial.params["models"][trial.model], Model)
    settings = entry.training(check(trial.params["train"], Train))
    known = {"train": settings.model_dump(mode="json"), "model": entry.model_dump(mode="json", exclude={"train"})}
    return flatten(redact(known)) | flatten(trial.values)
