"""The run of a report: the leaderboard, the page, and links to the runs that it compares."""

from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from deconfuse.kernel.files import digest_json, read_json
from deconfuse.tracking.drawing import Outcome, age, find, put
from deconfuse.tracking.record import DIGEST_TAG, KIND_TAG
from deconfuse.tracking.shown import leaves, legal

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

REPORTS = Path("reports")
FILES = ("index.html", "leaderboard.csv", "metrics.json", "report.md", "runs.json")
TABLES = "tables"


def is_complete(root: Path) -> bool:
    return all((root / REPORTS / name).is_file() for name in FILES)


def digest(root: Path) -> str:
    """Of all that the report under `root` holds."""
    return digest_json({name: sha256(path.read_bytes()).hexdigest() for name, path in files(root).items()})


def files(root: Path) -> dict[str, Path]:
    """What the report under `root` holds, by names in its run."""
    folder = root / REPORTS
    paths = [*(folder / name for name in FILES), *(path for path in sorted((folder / TABLES).rglob("*")) if path.is_file())]
    return {path.relative_to(folder).as_posix(): path for path in paths}


def draw(client: "MlflowClient", experiment_id: str, root: Path) -> Outcome:
    """Give the report under `root` its run, unless it has one; the runs that it compares come first."""
    own = digest(root)
    runs = find(client, experiment_id, own)
    if any(run.info.status == "FINISHED" for run in runs):
        return "known"
    found = {name: find(client, experiment_id, one) for name, one in read_json(root / REPORTS / "runs.json").items()}
    compared = {name: models[0] for name, models in found.items() if models}
    at = max((run.info.end_time or 0 for run in compared.values()), default=0)
    tags = {KIND_TAG: "report", DIGEST_TAG: own, **{f"run.{name}": run.info.run_id for name, run in compared.items()}}
    run = min(runs, key=age) if runs else client.create_run(experiment_id, start_time=at, tags=tags, run_name="report")
    _write(client, run.info.run_id, root, compared, at)
    return "written"


def _write(client: "MlflowClient", run_id: str, root: Path, compared: dict[str, "Run"], at: int) -> None:
    from mlflow.entities import Metric

    figures = read_json(root / REPORTS / "metrics.json")
    metrics = [
        Metric(f"{legal(key)}/{model}", float(value), at, 0)
        for model, about in figures.items()
        for key, value in leaves(about)
        if isinstance(value, int | float) and key.startswith("test_")
    ]
    client.log_batch(run_id, metrics=metrics)
    client.set_tag(run_id, "mlflow.note.content", note(compared))
    put(client, run_id, files(root))
    client.set_terminated(run_id, end_time=at)


def note(compared: dict[str, "Run"]) -> str:
    """What MLflow's page of the run says: the models in the report's order, each a link."""
    lines = [f"* [{name}](#/experiments/{run.info.experiment_id}/runs/{run.info.run_id})" for name, run in compared.items()]
    return "\n".join(["`index.html`, under Artifacts, compares these runs:", "", *lines])
