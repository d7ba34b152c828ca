"""Two people on one server who draw the same training at the same moment leave two runs: one is too many.

No lock of ours reaches other machines, and MLflow has none. So whoever has drawn a run looks again, and all choose the same one.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from deconfuse.tracking.drawing import PARENT_TAG, Outcome, age, below, delete, find, restore, search
from deconfuse.tracking.faults import again
from deconfuse.tracking.record import DIGEST_TAG

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient


def settled(client: "MlflowClient", experiment_id: str, digest: str, draw: Callable[[], Outcome]) -> Outcome:
    """Draw the run of a digest, and leave one of those that it may have now; call it while no other process of this project writes."""
    outcome = again(draw)
    kept = _settle(client, partial(find, client, experiment_id, digest))
    if kept is not None:
        for seed in {run.data.tags[DIGEST_TAG] for run in below(client, kept)}:
            _settle(client, partial(find, client, experiment_id, seed, kept.info.run_id))
            _sweep(client, search(client, experiment_id, seed))
    return outcome


def _settle(client: "MlflowClient", look: Callable[[], list["Run"]]) -> "Run | None":
    """Leave the first of the finished runs that `look` finds, and return it; all others go into MLflow's bin.

    One that is not finished is of an attempt that was broken off, or of someone who is about to find that it is in the bin, and starts
    over: `drawing.draw` knows the finished one then.
    """
    # other people's, in an experiment in which this account may not delete
    stuck: set[str] = set()
    while True:
        runs = sorted(look(), key=age)
        kept = next((run for run in runs if run.info.status == "FINISHED"), None)
        others = [run for run in runs if kept is not None and run is not kept and run.info.run_id not in stuck]
        for run in others:
            if not delete(client, run):
                stuck.add(run.info.run_id)
                continue
            now = client.get_run(run.info.run_id)
            # it was finished since: whoever did so keeps the first of the two, and deletes the one that is kept here
            if run.info.status != now.info.status == "FINISHED":
                restore(client, run)
        if not others:
            return kept


def _sweep(client: "MlflowClient", seeds: list["Run"]) -> None:
    """Delete the runs of seeds that were begun below a run when it was in the bin already."""
    for run in seeds:
        parent = run.data.tags.get(PARENT_TAG)
        if parent and _is_deleted(client, parent):
            delete(client, run)
            if not _is_deleted(client, parent):
                restore(client, run)


def _is_deleted(client: "MlflowClient", run_id: str) -> bool:
    return client.get_run(run_id).info.lifecycle_stage == "deleted"
