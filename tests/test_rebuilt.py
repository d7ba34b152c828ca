"""A store that was lost is drawn again as it was, field by field: from the current folder, and from what DVC's cache has."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import finished_project
import pytest
from dvc_cache import remember_models, remember_report
from finished_project import Fake
from stores import contents

from deconfuse.kernel.files import read_json, write_json
from deconfuse.tracking import sync
from deconfuse.tracking.live import follow
from deconfuse.tracking.store import find

EXPERIMENT = "deconfuse"
FIRST = {"low": Fake(("image",), None, 0.60, 1), "many": Fake(("image",), None, 0.55, 2, (0, 1, 2))}
LINE_UPS: list[Mapping[str, Fake]] = [
    FIRST,
    {"near": Fake(("image",), None, 0.62, 5)},
    {"high": Fake(("image",), None, 0.90, 1), "low": FIRST["low"]},
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project with 200 validation rows."""
    monkeypatch.setattr(finished_project, "SPLITS", {"train": 6, "val": 200, "test": 6})
    monkeypatch.setattr(finished_project, "write_raw", lambda folder, *_: write_json(folder / "source.json", {"digest": "source"}))
    root = tmp_path / "project"
    (root / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/first/mlflow.db")
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    return root


def run(root: Path, models: Mapping[str, Fake], *, is_new: bool) -> None:
    """What a `dvc repro` of this line-up leaves: files, their runs, and DVC's memory of it where it is new."""
    for name in ("data", "reports"):
        shutil.rmtree(root / name, ignore_errors=True)
    finished_project.build(root, models=models, kinds={"image": "image"})
    finished_project.make_servable(root, models)
    for name in models:
        table = root / "reports/models" / name / "tables/deep/answers.csv"
        table.parent.mkdir(parents=True)
        table.write_text(f"question,answer\nwho,{name}\n")
    write_report(root / "reports", models)
    if is_new:
        at = finished_project.STARTED + 100 * LINE_UPS.index(models)
        remember_models(root, list(models), at)
        assert sync(list(models), EXPERIMENT).problem is None
        remember_report(root, at + 50)


def write_report(folder: Path, models: Mapping[str, Fake]) -> None:
    write_json(folder / "runs.json", {name: read_json(Path(f"data/models/{name}/run.json"))["digest"] for name in models})
    write_json(folder / "metrics.json", {name: {"test_accuracy": fake.right} for name, fake in models.items()})
    (folder / "index.html").write_text(f"<title>{', '.join(models)}</title>")
    (folder / "leaderboard.csv").write_text("\n".join(["model", *models, ""]))
    (folder / "report.md").write_text("\n".join(models))
    (folder / "tables").mkdir()
    (folder / "tables/compared.csv").write_text("\n".join(models))


def test_a_store_that_is_drawn_at_once_equals_the_one_that_was_drawn_as_things_happened(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for models in LINE_UPS:
        run(project, models, is_new=True)
    # the first one again, as DVC restores it
    run(project, FIRST, is_new=False)
    assert sync(list(FIRST), EXPERIMENT).written == []
    expected = contents(find().client(), EXPERIMENT)
    check(expected)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/second/mlflow.db")
    assert sorted(sync(list(FIRST), EXPERIMENT).written) == ["high", "low", "many", "near"]
    rebuilt = contents(find().client(), EXPERIMENT)
    for key, run_of in expected["runs"].items():
        assert rebuilt["runs"][key] == run_of, key
    assert rebuilt == expected
    again = sync(list(FIRST), EXPERIMENT)
    assert (again.written, again.updated, len(again.known)) == ([], [], 4)
    assert contents(find().client(), EXPERIMENT) == expected


def test_a_follower_that_is_late_leaves_the_evaluation_to_the_report(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only there DVC's record of it is at hand, which its part of dvc.lock is made of."""
    run(project, FIRST, is_new=False)
    remember_models(project, list(FIRST), finished_project.STARTED)
    for name in FIRST:
        told, about = (read_json(Path("data/models", name, file)) for file in ("run.json", "model.json"))
        starts = [{"seed": int(seed), "started": one["started"]} for seed, one in told["seeds"].items()]
        log = Path(f"{name}.jsonl")
        log.write_text("".join(json.dumps(line) + "\n" for line in [{"begin": told | {"model": about}}, *starts, {"end": True}]))
        follow(log, EXPERIMENT, lambda: False, lambda: None)
    assert not any(key.startswith("test/") for run in contents(find().client(), EXPERIMENT)["runs"].values() for key in run["metrics"])
    assert sync(list(FIRST), EXPERIMENT).updated == list(FIRST)
    late = contents(find().client(), EXPERIMENT)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/second/mlflow.db")
    assert sync(list(FIRST), EXPERIMENT).written == list(FIRST)
    assert contents(find().client(), EXPERIMENT) == late


def check(whole: dict[str, Any]) -> None:
    """That what is compared is all there."""
    runs = {run["name"]: run for run in whole["runs"].values() if run["tags"]["deconfuse.kind"] != "report"}
    assert runs.keys() == {"low", "many", "many, seed 0", "many, seed 1", "many, seed 2", "near", "high"}
    reports = [run for run in whole["runs"].values() if run["tags"]["deconfuse.kind"] == "report"]
    assert len(reports) == 3
    assert all({"index.html", "leaderboard.csv", "tables/compared.csv"} < run["files"].keys() for run in reports)
    for name in ("low", "many", "near", "high"):
        files = runs[name]["files"].keys()
        assert {"model/MLmodel", "model/code.zip", "model/artifacts/bundle/weights.safetensors", "tables/deep/answers.csv"} < files
        assert {"params.json", "run.json", "dvc.lock", "confusion.svg"} < files
        ((data, tags),) = runs[name]["inputs"]
        assert (data["name"], tags) == ("shapes", [("mlflow.data.context", "training")])
        # of several seeds each has curves of its own
        curves = runs[f"{name}, seed 2" if name == "many" else name]["metrics"]
        assert len(curves["val_loss"]) == finished_project.EPOCHS
    registered = whole["registry"][EXPERIMENT]
    assert [version[0].split()[0] for version in registered["versions"].values()] == ["model", "model"]
    assert set(registered["aliases"].values()) == {2} and len(registered["aliases"]) == 2
    tags = {number: version[3] for number, version in registered["versions"].items()}
    assert (tags[1]["model"], tags[2]["model"]) == ("low", "high")
    assert tags[1]["deconfuse.challenge"].startswith("low (version 1) stays champion: near is not shown to be better")
    assert tags[2]["deconfuse.challenge"].startswith("high (version 2) stays champion: low is not")
