"""Several processes, on one machine or two, end with what one process would, and with one true status."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clone import ROOT
from ruamel.yaml import YAML
from small_project import build
from test_kill import begun, digests, saved, training, wait_for

# all that cuts or gathers what processes hold
OPTIONS = {"clip": 0.5, "ema": 0.8, "micro_batch": 7}
OTHERS = {
    "ddnet": {"encoders": {"image": "ddnet"}, "width": 8, "train": {"reconstruction": 0.5}},
    # its first kernel has one row, of which one process holds all
    "narrow": {"encoders": {"image": {"name": "cnn", "channels": [1, 4]}}, "width": 8, "train": {"l1": 1e-3}},
}


def project(root: Path, models: tuple[str, ...], **settings: Any) -> Path:
    """The small project, whose train split of 65 leaves odd batches, with some of its models and of OTHERS."""
    build(root, **settings)
    yaml, path = YAML(), root / "params.yaml"
    params = yaml.load(path)
    params["models"] = {name: (params["models"] | OTHERS)[name] for name in models}
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
        "fsdp": ("deconvolution", "transformer", "attention", "ddnet", "narrow"),
    }
    options = {"ddp": {"epochs": 2}, "fsdp": OPTIONS | {"epochs": 2}}
    one = {kind: project(tmp_path / f"one-{kind}", models[kind], **options[kind]) for kind in models}
    two = {kind: project(tmp_path / kind, models[kind], launch={"processes": 2, "strategy": kind}, **options[kind]) for kind in models}
    assert {code for codes in trained(1, *one.values()).values() for code in codes} == {0}
    ends = trained(2, *two.values())
    assert len(ends) == 10 and {code for codes in ends.values() for code in codes} == {0}
    for end in ends:
        kind, name = end.split("/")
        is_exact = name != "cnn_lstm"
        for row, expected in zip(curve(two[kind], name), curve(one[kind], name), strict=True):
            assert losses(row) == pytest.approx(losses(expected), abs=1e-4 if is_exact else 0.02), end
            assert row == pytest.approx(expected, abs=1e-4) or not is_exact, end
        # every file is there, and only what the first process has written
        assert sorted(path.name for path in (two[kind] / "data/models" / name).iterdir()) == [
            "diagnosis.csv",
            "history.csv",
            "model.json",
            "run.json",
            "seeds",
        ]


# ---- started by the stage itself


def workers(stage: subprocess.Popen) -> dict[int, int]:
    """Rank -> process, of those that a stage has started."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            ranks = re.findall(rb"(?:^|\0)RANK=(\d+)\0", (path / "environ").read_bytes()) if parent == stage.pid else []
        except OSError:
            # it has ended
            continue
        found |= {int(rank): int(path.name) for rank in ranks}
    return found


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_killed_process_and_a_signal_end_all_and_the_next_run_goes_on(tmp_path: Path, strategy: str) -> None:
    settings = {"epochs": 12, "seeds": [0, 1], "launch": {"processes": 2, "strategy": strategy}}
    plain = project(tmp_path / "plain", ("cnn",), **settings)
    root = project(tmp_path / "disturbed", ("cnn",), checkpoint=0, **settings)
    assert set(trained(2, plain)["plain/cnn"]) == {0}
    stage = training(root, "cnn")
    wait_for(lambda: bool(saved(root, "cnn")), stage)
    if strategy == "ddp":
        os.kill(workers(stage)[1], signal.SIGKILL)
        line = "error: models.cnn: its process 1 was ended by SIGKILL, by a person or for want of memory; `dvc repro` goes on from the last"
        code = 1
    else:
        stage.send_signal(signal.SIGTERM)
        line, code = "train cnn, seed 0: stopped after", 143
    error = stage.communicate(timeout=60)[1].decode()
    assert (stage.returncode, error.count("\n")) == (code, 1) and error.startswith(line), error
    assert not (root / "data/models/cnn/run.json").exists()
    stage = training(root, "cnn")
    error = stage.communicate(timeout=120)[1].decode()
    assert stage.returncode == 0 and error.startswith("train cnn, seed 0: going on after") and error.count("\n") == 1, error
    assert digests(root, "cnn") == digests(plain, "cnn")
    assert not (root / "data/checkpoints/cnn").exists()


def test_a_fault_is_told_once(tmp_path: Path) -> None:
    root = project(tmp_path, ("cnn",), batch_size=2, launch={"processes": 3})
    stage = training(root, "cnn")
    error = stage.communicate(timeout=120)[1].decode()
    assert (stage.returncode, error.count("\n")) == (1, 1), error
    assert error.startswith("error: models.cnn: 2 samples at a time cannot be shared by 3 processes; set a larger"), error


# ---- two machines


@pytest.fixture
def machines() -> Iterator[list[str]]:
    """Two machines, as network namespaces with a cable between them: 10.77.0.1 and 10.77.0.2."""
    names = [f"deconfuse-{os.getpid()}-{i}" for i in (0, 1)]
    cable = [f"dc{os.getpid() % 10**6}{i}" for i in "ab"]
    steps = [["netns", "add", name] for name in names]
    steps += [["link", "add", cable[0], "netns", names[0], "type", "veth", "peer", "name", cable[1], "netns", names[1]]]
    for i, (name, end) in enumerate(zip(names, cable, strict=True)):
        inside = ["-n", name]
        steps += [[*inside, "addr", "add", f"10.77.0.{i + 1}/24", "dev", end]]
        steps += [[*inside, "link", "set", end, "up"], [*inside, "link", "set", "lo", "up"]]
    try:
        for step in steps:
            done = subprocess.run(["ip", *step], capture_output=True, text=True, check=False) if shutil.which("ip") else None
            if done is None or done.returncode:
                pytest.skip(f"network namespaces need Linux, iproute2 and root: {done and done.stderr.strip()}")
        yield names
    finally:
        for name in names if shutil.which("ip") else []:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def test_the_curve_of_two_machines_is_that_of_one(tmp_path: Path, machines: list[str]) -> None:
    one = project(tmp_path / "one", ("concat",), epochs=2)
    launch = {"machines": 2, "rendezvous": "10.77.0.1:29777"}
    roots = [project(tmp_path / name, ("concat",), epochs=2, launch=launch) for name in ("first", "second")]
    assert trained(1, one) == {"one/concat": [0]}
    command = [sys.executable, "-m", "stages.train", "concat"]
    stages = [
        begun(root, "ip", "netns", "exec", name, "env", f"DECONFUSE_MACHINE={i}", *command)
        for i, (root, name) in enumerate(zip(roots, machines, strict=True))
    ]
    errors = [stage.communicate(timeout=180)[1].decode() for stage in stages]
    assert [stage.returncode for stage in stages] == [0, 0], errors
    # the launcher's own connection warns where nobody knows the machines' names
    assert [line for line in "".join(errors).splitlines() if "c10d] The hostname" not in line] == []
    assert curve(roots[0], "concat") == [pytest.approx(row, abs=1e-4) for row in curve(one, "concat")]
    assert not (roots[1] / "data/models").exists(), "the second machine writes nothing"
