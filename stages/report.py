"""Compare the models that params name, and draw their runs in MLflow.

    python -m stages.report

Reads `data/models/` and `reports/models/` of the models under `models:`, `data/prepared/summary.json`, for the baselines the splits under
`data/embedded/`, and samples from `data/raw/`; params `report`, `tracking`. Writes `reports/index.html`, `reports/report.md` (its answers),
`reports/tables/` (its figures), `reports/leaderboard.csv`, `reports/metrics.json`, `reports/runs.json` (the models' digests); MLflow's
store, which is no output of the pipeline, gets the runs it lacks.
"""

from functools import partial
from pathlib import Path

from deconfuse.forked import beside
from deconfuse.kernel.cores import cores
from deconfuse.kernel.errors import command
from deconfuse.kernel.params import load
from deconfuse.kernel.params import read as read_params
from deconfuse.params.report import Report
from deconfuse.params.tracking import Tracking
from deconfuse.reporting.page import write
from deconfuse.tracking import sync


def main() -> None:
    models = list(load()["models"])
    page = partial(write, models, read_params("report", Report), Path())
    draw = partial(sync, models, read_params("tracking", Tracking).experiment)
    if cores() == 1:
        page()
        synced = draw()
    else:
        # the models' runs are drawn while the page is made, and then the report's
        _, first = beside(page, draw)
        synced = draw().after(first) if first.problem is None else first
    # a store that cannot be written has been warned of, and costs the report nothing
    if synced.problem is None:
        print(synced)


if __name__ == "__main__":
    command(main)
