"""A user's week: whatever is done, MLflow has one run for each training that ever was, no more and no less."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest
from clone import Clone
from stores import contents, prepared

from deconfuse.tracking.drawing import MODEL_TAG

TABLE = Path("data/sources/words/table.csv")
CODE, EDIT = Path("deconfuse/encoders/lstm.py"), "# edited\n"
WORDS = ("round", "corner", "pointed")
SMALL = {
    "data": {"source": str(TABLE), "files": str(TABLE.parent), "limit": 60},
    "preprocess": {},
    "embed": {"text": "words"},
    "train.epochs": 2,
    "models": {"lstm": {"encoders": {"text": "lstm"}, "width": 8}},
    "evaluate": {"analyses": ["calibration"]},
    # every training is drawn from its first moment on
    "tracking.live": 0,
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A project of one small model of sixty short texts, which has not been run."""
    clone = Clone.make(tmp_path_factory.mktemp("week") / "project")
    (clone.root / TABLE.parent).mkdir()
    rows = [f"{i},{WORDS[i % 3]},a {WORDS[i % 3]} thing {i}" for i in range(60)]
    (clone.root / TABLE).write_text("\n".join(["id,label,text", *rows, ""]))
    clone.edit(SMALL)
    clone.commit("words")
    return clone


def trained(root: Path) -> list[str]:
    """The digests of all trainings whose run.json DVC's cache has ever got, whatever its name; each is one of params, data and code."""
    contents = [path.read_bytes() for path in (root / ".dvc/cache/files/md5").glob("??/*")]
    told = [json.loads(content) for content in contents if content.startswith(b"{") and b'"digests"' in content]
    identities = {one["digest"]: tuple(one["digests"][part] for part in ("params", "data", "code")) for one in told}
    assert len(set(identities.values())) == len(identities)
    return sorted(identities)


@contextmanager
def reading(database: Path) -> Generator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as store:
        yield store


def drawn(database: Path) -> list[str]:
    """The digests of all models' runs in a store; each is finished."""
    with reading(database) as store:
        found = store.execute(
            """SELECT digest.value, runs.status FROM runs
            JOIN tags AS kind ON kind.run_uuid = runs.run_uuid AND kind.key = 'deconfuse.kind' AND kind.value = 'model'
            JOIN tags AS digest ON digest.run_uuid = runs.run_uuid AND digest.key = 'deconfuse.digest'
            WHERE runs.lifecycle_stage = 'active'"""
        ).fetchall()
    assert {status for _, status in found} == {"FINISHED"}
    return sorted(digest for digest, _ in found)


def check(clone: Clone, trainings: int, database: Path | None = None) -> None:
    known = trained(clone.root)
    assert len(known) == trainings
    assert drawn(database or clone.root / "mlflow.db") == known
    if database is None:
        # not in a copy of the tree, which is gone
        with reading(clone.root / "mlflow.db") as store:
            stored = [place for (place,) in store.execute("SELECT DISTINCT artifact_uri FROM runs")]
        assert all(place.startswith((clone.root / "mlruns").as_uri()) for place in stored)


# ---------------------------------------------------------------- the steps, in order


def test_the_first_run(clone: Clone) -> None:
    clone.run("dvc", "repro")
    check(clone, 1)
    clone.commit("first results")


def test_a_param_is_edited(clone: Clone) -> None:
    clone.edit({"train.epochs": 3})
    assert "train@lstm" in clone.run("dvc", "repro").ran
    check(clone, 2)


def test_the_edit_is_taken_back(clone: Clone) -> None:
    before = dump(clone.root / "mlflow.db")
    clone.edit({"train.epochs": 2})
    done = clone.run("dvc", "repro")
    assert "train@lstm" not in done.ran and "Stage 'train@lstm' is cached" in done.out
    check(clone, 2)
    clone.run("python", "-m", "deconfuse.tracking")
    assert dump(clone.root / "mlflow.db") == before


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as store:
        return list(store.iterdump())


def test_an_experiment_in_the_working_folder(clone: Clone) -> None:
    clone.run("dvc", "exp", "run", "-S", "train.epochs=4")
    check(clone, 3)
    clone.run("git", "checkout", "--quiet", "--", ".")


def test_an_experiment_in_a_temporary_copy(clone: Clone) -> None:
    clone.run("dvc", "exp", "run", "--temp", "-S", "train.epochs=5")
    check(clone, 4)


def test_two_experiments_at_a_time(clone: Clone) -> None:
    clone.run("dvc", "exp", "run", "--queue", "-S", "train.seeds=[0,1]")
    # other data
    clone.run("dvc", "exp", "run", "--queue", "-S", "data.limit=45")
    clone.run("dvc", "exp", "run", "--run-all", "--jobs", "2")
    check(clone, 6)


def test_the_server_dies_in_mid_training(clone: Clone, tmp_path: Path) -> None:
    store, port = tmp_path / "mlflow.db", free_port()
    uri = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}
    # other code, too
    with (clone.root / CODE).open("a") as code:
        code.write(EDIT)
    clone.edit({"train.epochs": 200})
    with server(tmp_path, port) as process:
        work = clone.begin("dvc", "repro", **uri)
        log = clone.root / "data/live/lstm.jsonl"
        wait_for(lambda: log.is_file() and '"epochs": 200' in log.read_text() and '"row"' in log.read_text(), work)
        # the training waits for the moment when the server has seen it
        pid = training(clone.root)
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: is_under_way(store), work)
        os.killpg(process.pid, signal.SIGKILL)
        os.kill(pid, signal.SIGCONT)
        done = clone.wait(work)
    assert "warning: tracking: " in done.out and "Traceback" not in done.out
    assert is_under_way(store)
    with server(tmp_path, port):
        clone.run("python", "-m", "deconfuse.tracking", **uri)
        check(clone, 7, store)


def test_the_store_is_deleted(clone: Clone) -> None:
    clone.run("python", "-m", "deconfuse.tracking")
    check(clone, 7)
    before = held(clone, "before")
    (clone.root / "mlflow.db").unlink()
    shutil.rmtree(clone.root / "mlruns")
    clone.run("python", "-m", "deconfuse.tracking")
    check(clone, 7)
    rebuilt = held(clone, "rebuilt")
    assert {name: bare(run) for name, run in rebuilt.items()} == {name: bare(run) for name, run in before.items()}
    # of the code that trained the others nothing is left, until it is back
    assert [sum("model/MLmodel" in run["files"] for run in runs.values()) for runs in (before, rebuilt)] == [7, 1]
    code = clone.root / CODE
    edited = code.read_text()
    code.write_text(edited.removesuffix(EDIT))
    clone.run("python", "-m", "deconfuse.tracking")
    code.write_text(edited)
    for name, run in held(clone, "whole").items():
        assert run["tags"] == before[name]["tags"]
        assert run["files"].items() >= before[name]["files"].items()


def bare(run: dict[str, Any]) -> dict[str, Any]:
    """What a run holds beside its model or the weights in its stead."""
    files = {path: digest for path, digest in run["files"].items() if not path.startswith(("model/", "seeds/"))}
    return run | {"files": files, "tags": {key: value for key, value in run["tags"].items() if key != MODEL_TAG}}


def held(clone: Clone, name: str) -> dict[str, Any]:
    """All that the store holds of its runs, as a copy of that name tells: MLflow keeps the file open."""
    aside = clone.root.with_name(name)
    shutil.copytree(clone.root / "mlruns", aside / "mlruns")
    shutil.copy2(clone.root / "mlflow.db", aside)
    return contents(prepared(aside).client())["runs"]


def test_the_folder_is_moved(clone: Clone, tmp_path: Path) -> None:
    moved = Clone(clone.root.rename(tmp_path / "moved é"))
    assert "train@lstm" not in moved.run("dvc", "repro").ran
    moved.run("python", "-m", "deconfuse.tracking")
    check(moved, 7)
    with reading(moved.root / "mlflow.db") as store:
        places = {place for (place,) in store.execute("SELECT artifact_uri FROM runs")}
    assert all(place.startswith((moved.root / "mlruns").as_uri()) for place in places)


# ---------------------------------------------------------------- servers and processes


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def server(folder: Path, port: int) -> Generator["subprocess.Popen[bytes]"]:
    """A tracking server with a store of its own, in a process group of its own."""
    options = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files"), "--workers", "1"]
    variables = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    words = [sys.executable, "-m", "mlflow", "server", *options, "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(words, cwd=folder, env=variables, stdout=log, stderr=log, start_new_session=True)
    try:
        wait_for(lambda: answers(port), process)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as reply:
            return reply.status == 200
    except (URLError, OSError):
        return False


def wait_for(what: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + 180
    while not what():
        assert process.poll() is None, "it has ended"
        assert time.monotonic() < ends, "it takes too long"
        time.sleep(0.01)


def training(root: Path) -> int:
    """The process that trains the model of a project."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if b"stages.train" in words and (process / "cwd").resolve() == root.resolve():
                return int(process.name)
        except OSError:
            continue
    raise AssertionError("the training has ended")


def is_under_way(database: Path) -> bool:
    """Whether a store has a run with an epoch's metrics that is not finished."""
    with reading(database) as store:
        query = "SELECT 1 FROM metrics JOIN runs ON runs.run_uuid = metrics.run_uuid WHERE runs.status = 'RUNNING' AND key = 'val_loss'"
        return store.execute(query).fetchone() is not None
