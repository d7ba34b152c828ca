"""Several processes, on one machine or two, end with what one process would, and with one true status."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from clone import ROOT
from ruamel.yaml import YAML
from small_project import build
from test_kill import begun

# all that cuts or gathers what processes hold
OPTIONS = {"clip": 0.5, "ema": 0.8, "micro_batch": 7}
DDNET = {"encoders": {"image": "ddnet"}, "width": 8, "train": {"reconstruction": 0.5}}


def project(root: Path, models: tuple[str, ...], **settings: Any) -> Path:
    """The small project, whose train split of 65 leaves odd batches, with some of its models and one that reconstructs."""
    build(root, **settings)
    yaml, path = YAML(), root / "params.yaml"
    params = yaml.load(path)
    params["models"] = {name: (params["models"] | {"ddnet": DDNET})[name] for name in models}
    # where values are rounded to 8 bits, the smallest difference can be a large one
    params["train"]["precision"] = "fp32"
    yaml.dump(params, path)
    return root


def trained(size: int, *roots: Path) -> dict[str, list[int]]:
    """Train all models of the projects; how each process ended."""
    process = begun(ROOT, sys.executable, "tests/several.py", str(size), *map(str, roots))
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


def curve(root: Path, name: str) -> list[dict[str, float]]:
    with (root / "data/models" / name / "history.csv").open() as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def losses(row: dict[str, float]) -> list[float]:
    return [row["train_loss"], row["val_loss"]]


def test_the_curves_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    models = {
        "ddp": ("cnn", "deconvolution", "cnn_lstm", "concat", "ddnet"),
        "fsdp": ("deconvolution", "transformer", "attention", "ddnet"),
    }
    options = {"ddp": {"epochs": 2}, "fsdp": OPTIONS | {"epochs": 2}}
    one = {kind: project(tmp_path / f"one-{kind}", models[kind], **options[kind]) for kind in models}
    two = {kind: project(tmp_path / kind, models[kind], launch={"processes": 2, "strategy": kind}, **options[kind]) for kind in models}
    assert {code for codes in trained(1, *one.values()).values() for code in codes} == {0}
    ends = trained(2, *two.values())
    assert len(ends) == 9 and {code for codes in ends.values() for code in codes} == {0}
    for end in ends:
        kind, name = end.split("/")
        is_exact = name != "cnn_lstm"
        for row, expected in zip(curve(two[kind], name), curve(one[kind], name), strict=True):
            assert losses(row) == pytest.approx(losses(expected), abs=1e-4 if is_exact else 0.02), end
            assert row == pytest.approx(expected, abs=1e-4) or not is_exact, end
        # every file is there, and only what the first process has written
        assert sorted(path.name for path in (two[kind] / "data/models" / name).iterdir()) == [
            "history.csv",
            "model.json",
            "run.json",
            "seeds",
        ]
