"""Draw one model's run: every call leaves the same when it is made twice, and a run counts as drawn when it is finished."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

from deconfuse.serving.packaging import FOLDER, package
from deconfuse.tracking.faults import permitted
from deconfuse.tracking.points import Points
from deconfuse.tracking.record import DIGEST_TAG, Record

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

EVALUATION_TAG = "deconfuse.evaluation"
Outcome = Literal["written", "updated", "known"]
PARENT_TAG = "mlflow.parentRunId"
"""By which MLflow's pages show a run below another one."""
MODEL_TAG = "mlflow.log-model.history"
"""By which they show a folder of a run's artifacts as a model: its schema, how to load it. Written last, so that it is whole."""
BIG = ".safetensors"
CAN_LACK = {EVALUATION_TAG, MODEL_TAG}
PAGE = 1000
"""Runs that a store gives at a time."""


def draw(client: "MlflowClient", experiment_id: str, record: Record) -> Outcome:
    """Give a record its run, unless it has one; call it while no other process writes."""
    runs = find(client, experiment_id, record.digest, record.tags.get(PARENT_TAG))
    done = next((run for run in runs if run.info.status == "FINISHED"), None)
    if done is None:
        _write(client, experiment_id, record, begun(client, runs, record.started, points(record)))
        return "written"
    known = done.data.tags.get(EVALUATION_TAG)
    is_evaluated, has_model = record.evaluation in (None, known), record.served is None or MODEL_TAG in done.data.tags
    if not has_model:
        _write_model(client, done.info.run_id, record)
    if not is_evaluated:
        at = record.ended if known is None else max(record.ended, round(time.time() * 1000))
        _write_evaluation(client, experiment_id, done.info.run_id, record, at)
    return "known" if is_evaluated and has_model else "updated"


def points(record: Record) -> Points:
    """All that `draw` writes of a record at once."""
    return record.curves + [(name, value, record.ended, 0) for name, value in (record.figures | record.scores).items()]


def find(client: "MlflowClient", experiment_id: str, digest: str, parent: str | None = None) -> list["Run"]:
    """The runs of this digest below the run `parent` (None: below none); those that a user deleted do not count."""
    return [run for run in search(client, experiment_id, digest) if run.data.tags.get(PARENT_TAG) == parent]


def search(client: "MlflowClient", experiment_id: str, digest: str) -> list["Run"]:
    """The runs of this digest, wherever they are."""
    return client.search_runs([experiment_id], f"tags.`{DIGEST_TAG}` = '{digest}'")


def drawn(client: "MlflowClient", experiment_id: str) -> dict[str, set[str]]:
    """The digests of all runs that were ever finished in the store, and of what they can lack the tags EVALUATION_TAG and MODEL_TAG.

    Deleted ones and those of other experiments count, and lack nothing; seeds below a model's run do not count.
    """
    from mlflow.entities import ViewType

    experiments = [one.experiment_id for one in client.search_experiments(view_type=ViewType.ALL)]
    found: dict[str, set[str]] = {}
    token = None
    while True:
        wanted = "attributes.status = 'FINISHED'"
        page = client.search_runs(experiments, wanted, run_view_type=ViewType.ALL, max_results=PAGE, page_token=token)
        for run in page:
            tags, is_here = run.data.tags, run.info.lifecycle_stage == "active" and run.info.experiment_id == experiment_id
            if DIGEST_TAG in tags and PARENT_TAG not in tags:
                found.setdefault(tags[DIGEST_TAG], set()).update(CAN_LACK & tags.keys() if is_here else CAN_LACK)
        token = page.token
        if not token:
            return found


def begun(client: "MlflowClient", runs: list["Run"], started: int, points: Points) -> "Run | None":
    """The unfinished run that can be gone on with: of several the first, which all others choose as well.

    What was drawn live of epochs that were lost in a crash, and trained again, cannot be taken back: such a run goes into MLflow's bin.
    One under way may be someone else's, who trains the same: it stays until one of the two is finished.
    """
    known = set(points)
    for run in sorted(runs, key=age):
        history = {
            (name, point.value, point.timestamp, point.step)
            for name in run.data.metrics
            for point in client.get_metric_history(run.info.run_id, name)
        }
        if run.info.start_time == started and history <= known:
            return run
        if run.info.status != "RUNNING":
            delete(client, run)
    return None


def age(run: "Run") -> tuple[int, str]:
    """What runs of one digest are put in order by, everywhere the same."""
    return run.info.start_time, run.info.run_id


def below(client: "MlflowClient", run: "Run", view: int = 1) -> list["Run"]:
    """The runs of a run's seeds; `view` is one of MLflow's `ViewType`, without it those that are not in the bin."""
    return client.search_runs([run.info.experiment_id], f"tags.`{PARENT_TAG}` = '{run.info.run_id}'", view)


def delete(client: "MlflowClient", run: "Run") -> bool:
    """Put a run into MLflow's bin, after those below it; whether the server lets this account do so."""
    return all(permitted(partial(client.delete_run, one.info.run_id)) for one in [*below(client, run), run])


def restore(client: "MlflowClient", run: "Run") -> None:
    """Take back a `delete`."""
    from mlflow.entities import ViewType

    client.restore_run(run.info.run_id)
    for one in below(client, run, ViewType.DELETED_ONLY):
        client.restore_run(one.info.run_id)


def begin(client: "MlflowClient", experiment_id: str, record: Record, half: "Run | None") -> str:
    """What is known of a run from its first moment on: the run itself, or the one that was begun; params, tags, data set. Its id."""
    from mlflow.entities import Param, RunTag

    run = half or client.create_run(experiment_id, start_time=record.started, tags=record.tags, run_name=record.name)
    run_id = run.info.run_id
    if run.info.status != "RUNNING":
        client.update_run(run_id, status="RUNNING")
    params = [Param(name, value) for name, value in record.params.items()]
    client.log_batch(run_id, params=params, tags=[RunTag(name, value) for name, value in record.tags.items()])
    log_input(client, run_id, record.data)
    return run_id


def _write(client: "MlflowClient", experiment_id: str, record: Record, half: "Run | None") -> None:
    """Write a run, or the rest of one that was broken off or drawn live."""
    from mlflow.entities import Metric

    run_id = begin(client, experiment_id, record, half)
    client.log_batch(run_id, metrics=[Metric(*point) for point in points(record)])
    put(client, run_id, record.files)
    if record.served is not None:
        _write_model(client, run_id, record)
    if record.evaluation is not None:
        _write_evaluation(client, experiment_id, run_id, record, record.ended)
    else:
        _draw_seeds(client, experiment_id, run_id, record)
    # last, since only a finished run counts as written
    client.set_terminated(run_id, end_time=record.ended)


def log_input(client: "MlflowClient", run_id: str, data: tuple[str, str, str]) -> None:
    """Say which data set a run learnt from; the same again is one."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    name, digest, source = data
    about = Dataset(name=name, digest=digest, source_type="deconfuse", source=source)
    client.log_inputs(run_id, datasets=[DatasetInput(about, [InputTag("mlflow.data.context", "training")])])


def _draw_seeds(client: "MlflowClient", experiment_id: str, run_id: str, record: Record) -> None:
    """The runs below a model's."""
    for seed in record.seeds.values():
        draw(client, experiment_id, replace(seed, tags=seed.tags | {PARENT_TAG: run_id}))


def _write_evaluation(client: "MlflowClient", experiment_id: str, run_id: str, record: Record, at: int) -> None:
    """Write what `evaluate` found; of two evaluations MLflow shows the one with the later time `at` (milliseconds)."""
    from mlflow.entities import Metric

    client.log_batch(run_id, metrics=[Metric(name, value, at, 0) for name, value in record.scores.items()])
    put(client, run_id, record.evaluation_files)
    _draw_seeds(client, experiment_id, run_id, record)
    client.set_tag(run_id, EVALUATION_TAG, record.evaluation)


def _write_model(client: "MlflowClient", run_id: str, record: Record) -> None:
    """Add what the training is served as."""
    assert record.served is not None
    with TemporaryDirectory(prefix="deconfuse-") as folder:
        about = package(record.tags["model"], Path(folder, FOLDER), record.served)
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        put(client, run_id, {path.relative_to(folder).as_posix(): path for path in paths})
    client.set_tag(run_id, MODEL_TAG, json.dumps([about | {"run_id": run_id, "artifact_path": FOLDER}]))


def put(client: "MlflowClient", run_id: str, artifacts: Mapping[str, Path | str]) -> None:
    """Hand over a run's files, all in one folder; weights, which can be large, by links to where they are."""
    with TemporaryDirectory(prefix="deconfuse-") as folder:
        for name, content in artifacts.items():
            path = Path(folder, name)
            if path.suffix == BIG and _is_there(client, run_id, name, content):
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, str):
                path.write_text(content, encoding="utf-8")
            elif path.suffix == BIG:
                path.symlink_to(content.resolve())
            else:
                # not its mode: DVC may protect its files, and a protected one could not be written a second time
                shutil.copyfile(content, path)
        client.log_artifacts(run_id, folder)


def _is_there(client: "MlflowClient", run_id: str, name: str, content: Path | str) -> bool:
    """Whether an earlier attempt has handed over all of a file."""
    there = {one.path: one.file_size for one in client.list_artifacts(run_id, str(Path(name).parent) if "/" in name else None)}
    return isinstance(content, Path) and there.get(name) == content.stat().st_size
