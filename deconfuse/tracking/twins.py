"""Two people on one server who draw the same training at the same moment leave two runs: one is too many.

No lock of ours reaches other machines, and MLflow has none. So whoever has drawn a run looks again, and all choose the same one.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from deconfuse.tracking.drawing import PARENT_TAG, Outcome, find
from deconfuse.tracking.faults import again

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def settled(client: "MlflowClient", experiment_id: str, digest: str, draw: Callable[[], Outcome]) -> Outcome:
    """Draw the run of a digest, and leave one of those that it may have now; call it while no other process of this project writes."""
    outcome = again(draw)
    if outcome == "written":
        _settle(client, experiment_id, digest)
    return outcome


def _settle(client: "MlflowClient", experiment_id: str, digest: str) -> None:
    """Leave one finished run of a digest; the others, and those below them, go into MLflow's bin."""
    runs = [run for run in find(client, experiment_id, digest) if run.info.status == "FINISHED"]
    for run in sorted(runs, key=_age)[1:]:
        for below in client.search_runs([experiment_id], filter_string=f"tags.`{PARENT_TAG}` = '{run.info.run_id}'"):
            client.delete_run(below.info.run_id)
        client.delete_run(run.info.run_id)


def _age(run: "Run") -> tuple[int, str]:
    return run.info.start_time, run.info.run_id
