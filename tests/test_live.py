"""A training is drawn while it goes on by a process of its own, whose store may fail in any way without costing the training anything."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import small_project
import stores
from halted import MODEL, Training, soon
from team_server import free_port, is_healthy
from test_tracking import runs

from deconfuse.tracking import sync

EPOCHS, EXPERIMENT = 6, "deconfuse"
OUTPUTS = ("seeds/0/weights.safetensors", "history.csv", "model.json")


def project(folder: Path, live: float | None) -> Path:
    folder.mkdir()
    small_project.build(folder, epochs=EPOCHS)
    path = folder / "params.yaml"
    path.write_text(path.read_text().replace("live:\n", f"live: {'null' if live is None else live}\n"))
    assert path.read_text().count("live:") == 1
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "data/models" / MODEL / name).read_bytes() for name in OUTPUTS}


@pytest.fixture(scope="module")
def undrawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a training leaves that nobody draws."""
    folder = project(tmp_path_factory.mktemp("undrawn") / "project", None)
    training = Training.begin(folder)
    training.ended()
    assert not (folder / "mlflow.db").exists()
    return outputs(folder)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project to train in, and a store without runs."""
    folder = project(tmp_path_factory.mktemp("prepared") / "project", 0)
    stores.prepared(folder)
    return folder


@pytest.fixture
def folder(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, and the current folder in it."""
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(folder))
    return folder


def drawn(database: Path) -> list[tuple[str, str, int]]:
    """Id, status and epochs of the active runs in a store."""
    query = """SELECT r.run_uuid, r.status, COUNT(m.step) FROM runs r LEFT JOIN metrics m ON m.run_uuid = r.run_uuid AND m.key = 'val_loss'
        WHERE r.lifecycle_stage = 'active' GROUP BY r.run_uuid"""
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as store:
        return store.execute(query).fetchall()


def begun(database: Path, epochs: int) -> str | None:
    """The id of the one run, once so many epochs of it are drawn."""
    found = drawn(database)
    return found[0][0] if found and found[0][1:] == ("RUNNING", epochs) else None


# ---------------------------------------------------------------- as it should be


def test_a_training_is_drawn_while_it_goes_on_as_it_is_drawn_afterwards(
    folder: Path, undrawn: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training.begin(folder, 2, 4)
    training.halted()
    run = soon(lambda: begun(folder / "mlflow.db", 2))
    training.go_on()
    training.halted()
    assert soon(lambda: begun(folder / "mlflow.db", 4)) == run
    follower = training.follower()
    training.ended()
    follower.wait(60)
    assert outputs(folder) == undrawn
    assert drawn(folder / "mlflow.db") == [(run, "FINISHED", EPOCHS)]
    assert "warning" not in training.said
    assert sync([MODEL], EXPERIMENT).known == [MODEL]
    live = without_ids(runs(folder))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert sync([MODEL], EXPERIMENT).written == [MODEL]
    assert without_ids(runs(folder)) == live


def without_ids(found: dict[str, Any]) -> dict[str, Any]:
    """Runs without what each store numbers for itself: the run that a model belongs to."""
    tag = "mlflow.log-model.history"
    return {name: run | {"tags": run["tags"] | {tag: re.sub(r'"run_id": "\w+"', "", run["tags"][tag])}} for name, run in found.items()}


def test_of_two_who_train_the_same_the_first_to_end_is_kept(
    folder: Path, prepared: Path, undrawn: dict[str, bytes], tmp_path: Path
) -> None:
    store, trainings = folder / "mlflow.db", []
    for own in (folder, Path(shutil.copytree(prepared, tmp_path / "other"))):
        trainings.append(Training.begin(own, 2, uri=f"sqlite:///{store}"))
        trainings[-1].halted()
        soon(lambda: [run[1:] for run in drawn(store)] == [("RUNNING", 2)] * len(trainings))
    for training in reversed(trainings):
        follower = training.follower()
        training.ended()
        follower.wait(60)
        assert outputs(training.folder) == undrawn
        assert "warning" not in training.said and not training.problem.exists()
        ((_, *found),) = drawn(store)
        assert found == ["FINISHED", EPOCHS]
    assert sync([MODEL], EXPERIMENT).known == [MODEL]


# ---------------------------------------------------------------- never in the way


def test_a_locked_store_is_a_warning(folder: Path, undrawn: dict[str, bytes]) -> None:
    with closing(sqlite3.connect(folder / "mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        training = Training.begin(folder, 2)
        training.halted()
        soon(training.problem.exists)
        follower = training.follower()
        training.ended()
        assert "mlflow.db cannot be written: database is locked" in training.said
        other.rollback()
    follower.wait(90)
    whole(training, undrawn)
    assert len(drawn(folder / "mlflow.db")) == 1


def test_a_full_disk_is_a_warning(folder: Path, undrawn: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "disk") as disk:
        database = Path(shutil.copy(folder / "mlflow.db", disk))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{database}")
        training = Training.begin(folder, 2, 4, uri=f"sqlite:///{database}")
        training.halted()
        run = soon(lambda: begun(database, 2))
        fill(disk / "full")
        training.go_on()
        training.halted()
        soon(training.problem.exists)
        follower = training.follower()
        training.ended()
        follower.wait(90)
        assert "disk is full" in training.said
        assert sync([MODEL], EXPERIMENT).problem is not None
        (disk / "full").unlink()
        whole(training, undrawn)
        assert drawn(database) == [(run, "FINISHED", EPOCHS)]


def test_a_server_that_dies_is_a_warning(folder: Path, undrawn: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database, port = Path(shutil.copy(folder / "mlflow.db", tmp_path)), free_port()
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with server(database, port):
        training = Training.begin(folder, 2, 4, uri=uri)
        training.halted()
        run = soon(lambda: begun(database, 2))
    training.go_on()
    training.halted()
    soon(training.problem.exists)
    follower = training.follower()
    training.ended()
    follower.wait(90)
    with server(database, port):
        whole(training, undrawn)
    assert drawn(database) == [(run, "FINISHED", EPOCHS)]


def whole(training: Training, undrawn: dict[str, bytes]) -> None:
    """The training has said that something was wrong and left what it always leaves; a sync completes its run, once."""
    (line,) = [line for line in training.said.splitlines() if "warning" in line]
    assert line.startswith("warning: tracking: ") and "training went on without it; `report` or `make sync` draws the run" in line
    assert "Traceback" not in training.said
    assert outputs(training.folder) == undrawn
    first = sync([MODEL], EXPERIMENT)
    assert first.problem is None
    assert sync([MODEL], EXPERIMENT).known == [MODEL]


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of two MiB."""
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        # lazily: MLflow keeps files open
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Take all the room that a disk has."""
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


@contextmanager
def server(database: Path, port: int) -> Iterator[None]:
    """MLflow's server, which in the end is killed without a chance to do anything."""
    options = ["--backend-store-uri", f"sqlite:///{database}", "--artifacts-destination", str(database.parent / "files")]
    line = [sys.executable, "-m", "mlflow", "server", *options, "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    own = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    nothing = subprocess.DEVNULL
    process = subprocess.Popen(line, env=os.environ | own, cwd=database.parent, stdout=nothing, stderr=nothing, start_new_session=True)
    try:
        soon(lambda: process.poll() is None and is_healthy(f"http://127.0.0.1:{port}"), 180)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
