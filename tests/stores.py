"""All that a store of MLflow holds of an experiment, field by field; ids, which are drawn by lot, stand as what they are the ids of."""

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.tracking import MlflowClient

from deconfuse.tracking.drawing import PARENT_TAG
from deconfuse.tracking.record import DIGEST_TAG, KIND_TAG
from deconfuse.tracking.store import Store, find


def prepared(root: Path) -> Store:
    """The store of the project at `root`, with all tables; made where there is none."""
    store = find(root)
    with store.alone():
        store.prepare()
    return store


def contents(client: MlflowClient, experiment: str = "deconfuse") -> dict[str, Any]:
    """`runs`, by kind and digest, those of seeds below their model's; and `registry`. But for ids, the folder it is in, and when
    the registry was written to."""
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], max_results=5000)
    names = {run.info.run_id: f"{run.data.tags[KIND_TAG]} {run.data.tags[DIGEST_TAG]}" for run in runs}
    below = {run.info.run_id: names.get(run.data.tags.get(PARENT_TAG, ""), "") for run in runs}
    names = {run_id: f"{name} below {below[run_id]}" if below[run_id] else name for run_id, name in names.items()}
    assert len(set(names.values())) == len(runs), "there are two runs of one training"

    def named(text: str) -> str:
        for run_id, name in names.items():
            text = text.replace(run_id, name)
        return text

    whole = {names[run.info.run_id]: of_run(client, run, named) for run in runs}
    return {"runs": whole, "registry": registry(client, named)}


def of_run(client: MlflowClient, run: Any, named: Any) -> dict[str, Any]:
    run_id, info = run.info.run_id, run.info
    return {
        "name": info.run_name,
        "status": info.status,
        "times": (info.start_time, info.end_time),
        "params": run.data.params,
        "tags": {key: named(value) for key, value in run.data.tags.items()},
        "metrics": {name: points(client, run_id, name) for name in run.data.metrics},
        "latest": run.data.metrics,
        "inputs": [(one.dataset.to_dictionary(), [(tag.key, tag.value) for tag in one.tags]) for one in run.inputs.dataset_inputs],
        "outputs": [one.to_dictionary() for one in run.outputs.model_outputs] if run.outputs else [],
        "files": files(client, run_id),
    }


def points(client: MlflowClient, run_id: str, name: str) -> list[tuple[float, int, int]]:
    return sorted((point.value, point.timestamp, point.step) for point in client.get_metric_history(run_id, name))


def files(client: MlflowClient, run_id: str) -> dict[str, str]:
    """SHA-256 of every file of a run, by path."""
    with TemporaryDirectory() as folder:
        root = Path(client.download_artifacts(run_id, "", folder))
        paths = [path for path in root.rglob("*") if path.is_file()]
        return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def registry(client: MlflowClient, named: Any) -> dict[str, Any]:
    """By registered model its aliases, and of every version the run it is of, where in that run it lies, and tags."""
    found = {}
    for model in client.search_registered_models():
        versions = client.search_model_versions(f"name = '{model.name}'")
        found[model.name] = {
            "aliases": {alias: int(version) for alias, version in model.aliases.items()},
            "versions": {
                int(one.version): (named(one.run_id), named(one.source).rpartition("/artifacts/")[2], one.status, one.tags)
                for one in versions
            },
        }
    return found
