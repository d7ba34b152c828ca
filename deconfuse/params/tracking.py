"""The `tracking:` section: where MLflow shows the runs."""

from typing import Annotated

from pydantic import Field

from deconfuse.kernel.strict import Strict


class Tracking(Strict):
    """What MLflow is told beside the runs themselves; which store it is, `MLFLOW_TRACKING_URI` may say."""

    experiment: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^\S(.*\S)?$")] = "deconfuse"
    """Name of the MLflow experiment that gathers the runs."""
    live: Annotated[float, Field(ge=0, le=1e6)] | None = 60.0
    """Seconds that a training lasts before its run is drawn while it goes on; null draws no run before `report`."""
