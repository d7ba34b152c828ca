"""What MLflow draws as curves: values of metrics with their times and steps."""

import csv
from pathlib import Path
from typing import Any

from deconfuse.tracking.shown import legal

Points = list[tuple[str, float, int, int]]
"""(metric, value, time in milliseconds, epoch)"""


def milliseconds(seconds: float) -> int:
    """Unix seconds as MLflow takes them."""
    return round(seconds * 1000)


def curves(path: Path, seed: str, epoch_ended: list[float]) -> Points:
    """A seed's rows of a history.csv; `epoch_ended` are unix seconds, one an epoch."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == seed]
    return [point for row, ended in zip(rows, epoch_ended, strict=True) for point in points(row, ended)]


def points(row: dict[str, Any], ended: float) -> Points:
    """A row of the history as metrics at the time (unix seconds) at which its epoch was done."""
    return [
        ("/".join(map(legal, name.split("/"))), float(value), milliseconds(ended), int(row["epoch"]))
        for name, value in row.items()
        if name not in ("seed", "epoch") and value != ""
    ]


def system(samples: list[dict[str, float]], first: int = 0) -> Points:
    """What was seen of the machine, under names that MLflow has a page of its own for; the steps count the looks from `first` on."""
    return [
        (f"system/{name}", value, milliseconds(sample["at"]), step)
        for step, sample in enumerate(samples, first)
        for name, value in sample.items()
        if name != "at"
    ]
