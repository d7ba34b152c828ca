"""Draw runs into the MLflow store, each once, and never stand in the way of the work."""

import re
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from deconfuse.errors import UserError
from deconfuse.tracking.record import Record, read
from deconfuse.tracking.store import ARTIFACTS_TAG, Store, find

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

DIGEST_TAG = "deconfuse.digest"
EVALUATION_TAG = "deconfuse.evaluation"


@dataclass
class Synced:
    """What a sync did, by models' names; `problem` says in one line what kept it from the end, None where nothing did."""

    store: str = ""
    written: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    problem: str | None = None

    def __str__(self) -> str:
        updated = f", {len(self.updated)} evaluated anew" if self.updated else ""
        return f"{len(self.written)} runs written{updated}, {len(self.known)} already there; store {self.store}"


def sync(models: list[str], experiment: str, root: Path | None = None) -> Synced:
    """Give every trained model of the current folder its run in the store, unless it has one already.

    root: the folder of the store where `MLFLOW_TRACKING_URI` names none (default: the repository).
    Whatever fails in the store ends as a warning and in `problem`: the files are whole, and the next sync draws the rest.
    Raises UserError only for a model's own files.
    """
    records = {model: read(model) for model in models}
    synced = Synced()
    try:
        store = find(root)
        synced.store = str(store)
        with store.alone():
            store.prepare()
            _project(store.client(), records, experiment, store, synced)
    # MLflow lets through errors of SQLAlchemy, alembic, requests and the disk; none may cost a finished training
    except Exception as error:  # noqa: BLE001
        synced.problem = f"tracking: {_one_line(error)}; the outputs are whole; run `make sync` later"
        print(f"warning: {synced.problem}", file=sys.stderr)
    return synced


def _one_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [""]
    text = re.sub(r"(?<=://)[^/@\s]+@", "", lines[0])[:300]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def _project(client: "MlflowClient", records: dict[str, Record], experiment: str, store: Store, synced: Synced) -> None:
    experiment_id = _experiment(client, experiment, store)
    for model, record in records.items():
        run = _find_run(client, experiment_id, record.digest)
        if run is None or run.info.status != "FINISHED":
            _write(client, experiment_id, record, run)
            synced.written.append(model)
        elif record.evaluation not in (None, run.data.tags.get(EVALUATION_TAG)):
            _write_evaluation(client, run.info.run_id, record, max(record.ended, round(time.time() * 1000)))
            synced.updated.append(model)
        else:
            synced.known.append(model)


def _experiment(client: "MlflowClient", name: str, store: Store) -> str:
    """The experiment's id; made where there is none, with its files in the store's folder and not in the current one."""
    found = client.get_experiment_by_name(name)
    if found is None:
        # the tag names the folder, so that a moved project finds its files again
        tags = {ARTIFACTS_TAG: store.artifacts} if store.artifacts else {}
        return client.create_experiment(name, artifact_location=store.artifacts, tags=tags)
    if found.lifecycle_stage != "active":
        raise UserError(
            f"the experiment {name!r} was deleted in MLflow; bring it back (`mlflow experiments restore -x {found.experiment_id}`), "
            "or set another name at `tracking.experiment`"
        )
    return found.experiment_id


def _find_run(client: "MlflowClient", experiment_id: str, digest: str) -> "Run | None":
    """The run of this digest, a finished one first; deleted ones do not count."""
    runs = client.search_runs([experiment_id], filter_string=f"tags.`{DIGEST_TAG}` = '{digest}'")
    return min(runs, key=lambda run: run.info.status != "FINISHED", default=None)


def _write(client: "MlflowClient", experiment_id: str, record: Record, half: "Run | None") -> None:
    """Write a run, or the rest of one that was broken off: every call leaves the same when it is made twice."""
    from mlflow.entities import Metric, Param

    run = half or client.create_run(experiment_id, start_time=record.started, tags=record.tags, run_name=record.name)
    run_id = run.info.run_id
    metrics = [Metric(name, value, at, epoch) for name, value, at, epoch in record.curves]
    metrics += [Metric(name, value, record.ended, 0) for name, value in record.figures.items()]
    client.log_batch(run_id, metrics=metrics, params=[Param(name, value) for name, value in record.params.items()])
    for name, text in record.texts.items():
        client.log_text(run_id, text, name)
    client.log_artifact(run_id, str(record.weights))
    if record.evaluation is not None:
        _write_evaluation(client, run_id, record, record.ended)
    # last, since only a finished run counts as written
    client.set_terminated(run_id, end_time=record.ended)


def _write_evaluation(client: "MlflowClient", run_id: str, record: Record, at: int) -> None:
    """Write what `evaluate` found; of two evaluations MLflow shows the one with the later time `at` (milliseconds)."""
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(name, value, at, 0) for name, value in record.scores.items()])
    for name, text in record.evaluation_texts.items():
        client.log_text(run_id, text, name)
    client.set_tag(run_id, EVALUATION_TAG, record.evaluation)
