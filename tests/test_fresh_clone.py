"""The whole line-up, run once in a fresh clone."""

import csv
import json
from pathlib import Path

from clone import Clone, runs

from deconfuse.kernel.params import load

COLUMNS = [
    "model",
    "modalities",
    "fusion",
    "seeds",
    "test_accuracy",
    "test_accuracy_low",
    "test_accuracy_high",
    "test_accuracy_seeds_low",
    "test_accuracy_seeds_high",
    "test_macro_f1",
    "parameters",
    "train_seconds",
]


def test_a_fresh_clone_runs_the_whole_line_up(tmp_path: Path) -> None:
    clone = Clone.make(tmp_path)
    clone.edit({"data.limit": 120, "train.epochs": 1})
    models = list(load()["models"])
    assert len(models) >= 8
    done = clone.run("dvc", "repro")
    embedded = [f"embed@{name}" for name in load()["embed"]]
    assert done.ran == [
        "download",
        "preprocess",
        *embedded,
        *(f"train@{name}" for name in models),
        *(f"evaluate@{name}" for name in models),
        "report",
    ]
    with (tmp_path / "reports/leaderboard.csv").open() as file:
        table = csv.DictReader(file)
        rows = list(table)
    assert table.fieldnames == COLUMNS
    assert {row["model"] for row in rows} == set(models)
    assert all(0 <= float(row["test_accuracy_low"]) <= float(row["test_accuracy"]) <= float(row["test_accuracy_high"]) <= 1 for row in rows)
    page = (tmp_path / "reports/index.html").read_text()
    assert all(name in page for name in models)
    assert runs(tmp_path) == sorted((name, "1") for name in models)
    # quiet where there is no terminal: a bar would redraw its line
    assert "\r" not in done.out
    shown = json.loads(clone.run("dvc", "metrics", "show", "--json").out)[""]["data"]
    accuracy = shown["reports/models/concat/scores.json"]["data"]["test"]["accuracy"]
    assert f"{accuracy:.6f}" == f"{float(next(row for row in rows if row['model'] == 'concat')['test_accuracy']):.6f}"
    plots = json.loads(clone.run("dvc", "plots", "show", "--json").out)
    assert [name for name in models if not any(f"data/models/{name}/history.csv" in key for key in plots["data"])] == []
    assert {"reports/tables/reliability.csv", "reports/tables/risk_coverage.csv"} <= plots["data"].keys()
    assert clone.run("git", "status", "--porcelain").out.split() == ["M", "params.yaml", "??", "dvc.lock"]
