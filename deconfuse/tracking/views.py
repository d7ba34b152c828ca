"""The table that MLflow's pages open on: the models, best first, with the figures that they are compared by."""

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

    from deconfuse.tracking.record import Record

KEY = "leaderboard"
TAG = f"mlflow.sharedViewState.{KEY}"
"""The experiment's tag in which MLflow keeps the view that has this key in the address."""


def save(client: "MlflowClient", experiment_id: str, records: list["Record"]) -> None:
    """Save the view as soon as a model is evaluated; one that is there stands, whatever people have made of it."""
    scores = next((record.scores for record in records if record.scores), None)
    if scores is None or TAG in client.get_experiment(experiment_id).tags:
        return
    # not above: it imports pandas
    from deconfuse.reporting.measures import of

    measure = of({name.removeprefix("test/"): value for name, value in scores.items()}, "a run")
    key = measure.key
    test = [f"test/{name}" for name in (key, f"{key}_low", f"{key}_high", *measure.others)]
    state = {
        "orderByKey": column(f"test/{key}"),
        "orderByAsc": measure.less_is_better,
        "selectedColumns": ["attributes.`Source`", *map(column, [*test, f"val/{key}", "training/train_seconds", "training/parameters"])],
    }
    view = {"name": "Leaderboard", "createdAt": 0, "updatedAt": 0, "state": json.dumps(state)}
    client.set_experiment_tag(experiment_id, TAG, json.dumps(view))


def column(metric: str) -> str:
    return f"metrics.`{metric}`"
