"""MLflow's store is drawn from the models' files: whole, once, without secrets, and never in the way."""

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import finished_project
import pytest
from stores import contents, prepared

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import read_json, write_json
from deconfuse.params.report import Report
from deconfuse.reporting.page import write
from deconfuse.tracking import sync
from deconfuse.tracking.confusion import confusion
from deconfuse.tracking.drawing import EVALUATION_TAG
from deconfuse.tracking.record import DIGEST_TAG
from deconfuse.tracking.shown import HIDDEN, flatten, redact
from deconfuse.tracking.store import find

EXPERIMENT = "deconfuse"
WEIGHTS = "seeds/7/weights.safetensors"
TRAINED = ["diagnosis.csv", "history.csv", "model.json", "run.json", WEIGHTS]
EVALUATED = ["embeddings.npy", "metrics.json", "test.csv", "val.csv"]
DRAWN = ["params.json", "confusion.csv", "confusion.svg"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project of four models, and an empty store beside it so that not every test waits for its tables."""
    root = tmp_path_factory.mktemp("finished") / "project"
    models = finished_project.build(root)
    (root / "params.yaml").write_text(json.dumps({"models": {model: {} for model in models}}))
    prepared(root)
    return root


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished project, and the current folder in it."""
    root = tmp_path / "project"
    shutil.copytree(finished, root)
    monkeypatch.chdir(root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(root))
    return root


MODELS = list(finished_project.MODELS)


def command_line(root: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "deconfuse.tracking", *arguments]
    # the package's own folder, since the project under test is elsewhere
    path = str(Path(__file__).resolve().parents[1])
    variables = os.environ | {"DVC_ROOT": str(root), "PYTHONPATH": path} | environment
    return subprocess.Popen(command, cwd=root, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def runs(root: Path) -> dict[str, dict[str, Any]]:
    """All that a store holds of its active runs, by name, but for what is drawn anew each time (ids)."""
    client = find(root).client()
    found: dict[str, dict[str, Any]] = {}
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    for run in client.search_runs([experiment.experiment_id]):
        run_id, info, name = run.info.run_id, run.info, str(run.info.run_name)
        assert name not in found, f"{name} is there twice"
        paths = listed(client, run_id)
        found[name] = {
            "times": (info.start_time, info.end_time),
            "status": info.status,
            "params": run.data.params,
            "tags": run.data.tags,
            "metrics": {metric: history(client, run_id, metric) for metric in run.data.metrics},
            "files": {path: Path(client.download_artifacts(run_id, path)).read_bytes() for path in paths},
        }
    return found


def listed(client: Any, run_id: str, folder: str | None = None) -> list[str]:
    """The files of a run, those in folders included."""
    items = client.list_artifacts(run_id, folder)
    return [path for item in items for path in (listed(client, run_id, item.path) if item.is_dir else [item.path])]


def files_of(model: str) -> list[str]:
    """What the run of a model must have: all that its stages have left, and what is made of it."""
    folders = (Path("data/models", model), Path("reports/models", model))
    left = [path.relative_to(folder).as_posix() for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sorted([*left, *DRAWN])


def history(client: Any, run_id: str, name: str) -> list[tuple[float, int, int]]:
    points = client.get_metric_history(run_id, name)
    return sorted((point.value, point.timestamp, point.step) for point in points)


def dump(root: Path) -> list[str]:
    with closing(sqlite3.connect(root / "mlflow.db")) as connection:
        return list(connection.iterdump())


def edit(path: Path, **changes: Any) -> None:
    write_json(path, read_json(path) | changes)


# ---------------------------------------------------------------- what a run holds


def test_a_run_holds_all_that_the_files_say(project: Path) -> None:
    assert sync(MODELS, EXPERIMENT).written == MODELS
    run = runs(project)["concat"]
    wrote, measured = read_json(Path("data/models/concat/run.json")), read_json(Path("reports/models/concat/metrics.json"))
    assert run["status"] == "FINISHED"
    assert run["times"] == (round(wrote["started"] * 1000), round(wrote["ended"] * 1000))
    assert run["params"] == {
        "data.source": "shapes",
        "embed.image.representation": "pixels",
        "model.encoders.audio.name": "cnn",
        "model.encoders.image.name": "cnn",
        "model.encoders.text.name": "cnn",
        "model.encoders.video.name": "cnn",
        "model.fusion.name": "concat",
        "preprocess.image.size": "24",
        "train.batch": "32",
        "train.epochs": "5",
        "train.learning_rate": "0.001",
        "train.seeds": "[7]",
    }
    assert (
        run["tags"].items()
        >= {
            "model": "concat",
            "modalities": "audio+image+text+video",
            "fusion": "concat",
            "seed": "7",
            DIGEST_TAG: wrote["digest"],
            "digest.data": wrote["digests"]["data"],
            "git.commit": wrote["git"]["commit"],
            "git.dirty": "false",
            "dvc.stage": "train@concat",
            "environment.torch": "2.11.0",
            "environment.threads": "1",
            "mlflow.source.git.commit": wrote["git"]["commit"],
        }.items()
    )
    assert "dvc.experiment" not in run["tags"]
    ended = round(wrote["ended"] * 1000)
    for split in ("val", "test"):
        for name, value in measured[split].items():
            assert run["metrics"][f"{split}/{name}"] == [(value, ended, 0)]
    assert run["metrics"]["training/train_seconds"] == [(wrote["train_seconds"], ended, 0)]
    assert run["metrics"]["training/parameters"] == [(measured["parameters"], ended, 0)]


def test_a_curve_has_a_point_an_epoch_at_its_true_time(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    ended = read_json(Path("data/models/concat/run.json"))["seeds"]["7"]["epoch_ended"]
    rows = [line.split(",")[1:] for line in Path("data/models/concat/history.csv").read_text().splitlines()]
    metrics = runs(project)["concat"]["metrics"]
    for column, name in enumerate(rows[0][1:], 1):
        expected = [(float(row[column]), round(at * 1000), int(row[0])) for row, at in zip(rows[1:], ended, strict=True)]
        assert metrics[name] == sorted(expected)


def test_a_run_keeps_the_bytes_of_its_files(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    files = runs(project)["audio_cnn"]["files"]
    assert sorted(files) == files_of("audio_cnn")
    assert {*TRAINED, *EVALUATED, *DRAWN} < files.keys()
    assert json.loads(files["params.json"]) == read_json(Path("data/models/audio_cnn/run.json"))["params"]
    for folder, names in (("data", TRAINED), ("reports", EVALUATED)):
        for name in names:
            assert files.pop(name) == Path(f"{folder}/models/audio_cnn/{name}").read_bytes(), name
    # by hand: 40 test rows of 3 classes in turn, 60 % right, the wrong ones taken for the next class
    counted = [[int(cell) for cell in line.split(",")[1:]] for line in files["confusion.csv"].decode().splitlines()[1:]]
    assert sum(map(sum, counted)) == 40 and sum(counted[i][i] for i in range(3)) == 24
    assert all(counted[i][(i + 2) % 3] == 0 for i in range(3))
    assert files["confusion.svg"].count(b"<rect") == 10


def test_a_report_is_a_run_with_its_answers_and_tables(project: Path) -> None:
    write(MODELS, Report(samples=0), project)
    sync(MODELS, EXPERIMENT)
    files = runs(project)["report"]["files"]
    for name in ("index.html", "report.md", "runs.json", "tables/comparisons.csv", "tables/baselines.csv"):
        assert files[name] == Path("reports", name).read_bytes(), name
    assert {f"tables/{path.name}" for path in Path("reports/tables").iterdir()} == {name for name in files if name.startswith("tables/")}
    sync(MODELS, EXPERIMENT)
    assert runs(project)["report"]["files"] == files, "and there is one run of that name"
    (project / "reports/tables/comparisons.csv").write_text("other figures\n")
    sync(MODELS, EXPERIMENT)
    client = find(project).client()
    found = client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id], "attributes.run_name = 'report'")
    assert len(found) == 2, "another report is another run"


def test_confusion_is_of_classes_only(tmp_path: Path) -> None:
    table = tmp_path / "test.csv"
    table.write_text('"id","actual","predicted"\n"1","a","b"\n"2","b","b"\n"3","a, ""c""","a"\n')
    assert confusion(table, ["a", "b"]) == {}
    found = confusion(table, ["a", "b", 'a, "c"'])
    assert found["confusion.csv"] == 'actual,a,b,"a, ""c"""\na,0,1,0\nb,0,1,0\n"a, ""c""",1,0,0\n'
    assert sorted(confusion(table, ["a", "b", 'a, "c"', *map(str, range(40))])) == ["confusion.csv"]


def test_a_run_of_an_experiment_of_dvc_bears_its_name(project: Path) -> None:
    edit(Path("data/models/concat/run.json"), dvc={"stage": "train@concat", "experiment": "puffy-daks", "baseline": "0" * 40})
    sync(["concat"], EXPERIMENT)
    assert runs(project)["concat (puffy-daks)"]["tags"]["dvc.experiment"] == "puffy-daks"


def test_several_seeds_are_runs_below_the_models(project: Path) -> None:
    models = {name: fake._replace(seeds=(0, 1, 2)) if name == "concat" else fake for name, fake in finished_project.MODELS.items()}
    for folder in ("data", "reports"):
        shutil.rmtree(folder)
    finished_project.build(project, models=models)
    shutil.move("reports/models/concat", "aside")
    assert sync(["concat", "text_lstm"], EXPERIMENT).written == ["concat", "text_lstm"]
    assert not [name for name in runs(project)["concat, seed 1"]["metrics"] if name.startswith("test/")]
    shutil.move("aside", "reports/models/concat")
    assert sync(["concat", "text_lstm"], EXPERIMENT).updated == ["concat"]
    found = runs(project)
    assert found.keys() == {"concat", "text_lstm", *(f"concat, seed {seed}" for seed in range(3))}
    whole, told = found["concat"], read_json(Path("data/models/concat/run.json"))
    metrics = read_json(Path("reports/models/concat/metrics.json"))
    assert whole["tags"]["seeds"] == "0, 1, 2" and "seed" not in whole["tags"]
    assert whole["metrics"]["test/accuracy"][0][0] == metrics["test"]["accuracy"]
    assert whole["metrics"]["test/accuracy_seeds_high"][0][0] == metrics["test"]["accuracy_seeds_high"]
    assert "val_loss" not in whole["metrics"]
    assert {f"seeds/{seed}/weights.safetensors" for seed in range(3)} < whole["files"].keys()
    client = find(project).client()
    parent = client.search_runs(["1"], "attributes.run_name = 'concat'")[0].info.run_id
    for seed in ("0", "1", "2"):
        run, own = found[f"concat, seed {seed}"], told["seeds"][seed]
        assert run["tags"]["mlflow.parentRunId"] == parent
        assert (run["tags"]["seed"], run["tags"][DIGEST_TAG], run["params"]["train.seeds"]) == (seed, own["digest"], f"[{seed}]")
        assert run["times"] == (round(own["started"] * 1000), round(own["ended"] * 1000))
        assert [at for _, at, _ in sorted(run["metrics"]["val_loss"], key=lambda point: point[2])] == [
            round(ended * 1000) for ended in own["epoch_ended"]
        ]
        assert {value for value, _, _ in run["metrics"]["test/accuracy"]} == {metrics["seeds"][seed]["test"]["accuracy"]}
    before = dump(project)
    assert sync(["concat", "text_lstm"], EXPERIMENT).known == ["concat", "text_lstm"]
    assert dump(project) == before


def test_a_seed_alone_and_below_a_model_are_runs_of_their_own(project: Path) -> None:
    """A seed has the digest of a run with it alone, which must not be taken for the run below the model, nor the other way round."""
    one = finished_project.MODELS["concat"]
    models = {"concat": one._replace(seeds=(7, 8))}
    finished_project.build(project / "more", models=models)
    sync(["concat"], EXPERIMENT)
    path = project / "more/data/models/concat/run.json"
    run = read_json(path)
    run["seeds"]["7"]["digest"] = read_json(Path("data/models/concat/run.json"))["digest"]
    write_json(path, run)
    for folder in ("data", "reports"):
        shutil.rmtree(folder)
        shutil.move(f"more/{folder}", folder)
    client = find(project).client()
    # the name is the same: a run of this model with other params
    assert sync(["concat"], EXPERIMENT).written == ["concat"]
    tagged = [run.data.tags for run in client.search_runs(["1"])]
    assert sorted(tags["mlflow.runName"] for tags in tagged) == ["concat", "concat", "concat, seed 7", "concat, seed 8"]
    assert sum("mlflow.parentRunId" in tags for tags in tagged) == 2
    assert sync(["concat"], EXPERIMENT).known == ["concat"]
    assert len(client.search_runs(["1"])) == 4


def test_params_become_legal_names_and_bounded_text() -> None:
    flat = flatten({"a+b": 1, "a@b": 2, "c": {"x/../y": [1, "z"], "empty": {}}, "off": False, "none": None, "word": "7", "é": "ü"})
    assert flat == {"a_b": "1", "a_b_": "2", "c.x_.._y": '[1, "z"]', "c.empty": "{}", "off": "false", "none": "null", "word": "7", "é": "ü"}
    long = flatten({"long": "x" * 7000})["long"]
    assert len(long) == 6000
    assert long.endswith("... [7000 characters in all]")


# ---------------------------------------------------------------- once, and only once


def test_the_same_again_changes_nothing(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    before = dump(project)
    again = sync(MODELS, EXPERIMENT)
    assert (again.known, again.written, again.updated) == (MODELS, [], [])
    assert dump(project) == before


def test_a_lost_store_is_drawn_again_as_it_was(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    before = contents(find(project).client())
    (project / "mlflow.db").unlink()
    shutil.rmtree(project / "mlruns")
    # a process of its own: MLflow keeps a file open that is gone
    process = command_line(project)
    assert process.communicate()[0].startswith("4 runs written, 0 already there; store sqlite:////")
    copy = project.parent / "copy"
    shutil.copytree(project, copy)
    with find(copy).alone():
        find(copy).prepare()
    assert contents(find(copy).client()) == before


def test_another_digest_is_another_run(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    path = Path("data/models/concat/run.json")
    edit(path, dvc={"stage": "train@concat", "experiment": "second", "baseline": None})
    edit(path, digest="f" * 64, seeds={"7": read_json(path)["seeds"]["7"] | {"digest": "f" * 64}})
    again = sync(MODELS, EXPERIMENT)
    assert (again.written, again.known) == (["concat"], [model for model in MODELS if model != "concat"])
    assert runs(project).keys() == {*MODELS, "concat (second)"}


def test_another_evaluation_is_the_same_run(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    before = runs(project)["concat"]
    path = Path("reports/models/concat/metrics.json")
    edit(path, test=read_json(path)["test"] | {"accuracy": 0.125})
    assert sync(MODELS, EXPERIMENT).updated == ["concat"]
    client = find(project).client()
    found = client.search_runs(["1"], filter_string="attributes.run_name = 'concat'")
    assert [run.data.metrics["test/accuracy"] for run in found] == [0.125]
    after = runs(project)["concat"]
    assert after["files"]["metrics.json"] == path.read_bytes()
    assert {key: after[key] for key in ("times", "status", "params")} == {key: before[key] for key in ("times", "status", "params")}
    assert sync(MODELS, EXPERIMENT).known == MODELS


def test_a_model_not_evaluated_yet_gets_its_measures_later(project: Path) -> None:
    shutil.move("reports/models/concat", "aside")
    sync(["concat"], EXPERIMENT)
    first = runs(project)["concat"]
    assert EVALUATION_TAG not in first["tags"]
    assert not [name for name in first["metrics"] if name.startswith("test/")]
    assert sync(["concat"], EXPERIMENT).known == ["concat"]
    shutil.move("aside", "reports/models/concat")
    assert sync(["concat"], EXPERIMENT).updated == ["concat"]
    assert sorted(runs(project)["concat"]["files"]) == files_of("concat")


@pytest.mark.parametrize("call", ["log_batch", "log_inputs", "log_artifacts", "set_terminated"])
def test_a_run_that_was_broken_off_is_finished(project: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    from mlflow.tracking import MlflowClient

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(MlflowClient, call, killed)
        sync(["concat"], EXPERIMENT)
    assert runs(project)["concat"]["status"] == "RUNNING"
    assert sync(["concat", "text_lstm"], EXPERIMENT).written == ["concat", "text_lstm"]
    mended = runs(project)["concat"]
    assert mended["status"] == "FINISHED"
    assert sorted(mended["files"]) == files_of("concat")
    assert all(len(points) in (1, finished_project.EPOCHS) for points in mended["metrics"].values())


def test_a_store_that_was_broken_off_in_the_making_is_not_there(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    def killed(_: SqlAlchemyStore, uri: str, __: str) -> None:
        Path(uri.removeprefix("sqlite:///")).write_text("half")
        raise KeyboardInterrupt

    Path("mlflow.db").unlink()
    monkeypatch.setattr(SqlAlchemyStore, "__init__", killed)
    with pytest.raises(KeyboardInterrupt):
        sync(MODELS, EXPERIMENT)
    assert not Path("mlflow.db").exists()


def test_a_run_that_the_user_deleted_does_not_count(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    client = find(project).client()
    client.delete_run(client.search_runs(["1"], filter_string="attributes.run_name = 'concat'")[0].info.run_id)
    assert sync(MODELS, EXPERIMENT).written == ["concat"]
    assert runs(project).keys() == set(MODELS)


def test_two_processes_share_a_new_store(project: Path) -> None:
    (project / "mlflow.db").unlink()
    processes = [command_line(project) for _ in range(2)]
    output = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    # they take turns, run by run: each is written by one and found by the other
    told = [re.match(r"(\d) runs? written, (\d) already there; ", line) for line in output]
    written, known = zip(*(map(int, line.groups()) for line in told if line), strict=True)
    assert (len(written), sum(written), sum(known)) == (2, len(MODELS), len(MODELS))
    assert set(MODELS) <= set(runs(project))


# ---------------------------------------------------------------- where the store is


def test_a_project_that_was_moved_finds_its_files(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(MODELS, EXPERIMENT)
    before = runs(project)
    moved = project.rename(project.with_name("moved é %41?"))
    monkeypatch.setenv("DVC_ROOT", str(moved))
    monkeypatch.chdir(moved)
    assert sync(MODELS, EXPERIMENT).known == MODELS
    assert runs(moved) == before
    assert "/project/mlruns" not in "\n".join(line for line in dump(moved) if "mlruns/0" not in line)


def test_a_temporary_copy_writes_to_the_parents_store(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = project / ".dvc/tmp/exps/one"
    (copy / ".dvc").mkdir(parents=True)
    for folder in ("data", "reports"):
        shutil.copytree(folder, copy / folder)
    monkeypatch.chdir(copy)
    assert sync(MODELS, EXPERIMENT).written == MODELS
    assert not (copy / "mlflow.db").exists()
    assert not (copy / "mlruns").exists()
    shutil.rmtree(copy)
    monkeypatch.chdir(project)
    assert sorted(runs(project)["concat"]["files"]) == files_of("concat")


def test_without_dvc_the_store_is_at_the_repositorys_root(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_ROOT")
    (project / ".git").mkdir()
    monkeypatch.chdir(project / "data")
    assert find().database == project / "mlflow.db"


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("file:///somewhere", "no store that MLflow writes"),
        ("./mlruns", "no store"),
        ("sqlite://", "no store"),
        ("sqlite:///", "keeps nothing"),
    ],
)
def test_a_store_that_cannot_be_is_refused(project: Path, monkeypatch: pytest.MonkeyPatch, uri: str, says: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(UserError, match=says):
        find(project)


def test_a_relative_database_is_at_the_root_whatever_the_current_folder(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///other.db")
    monkeypatch.chdir(project / "data")
    assert find().uri == f"sqlite:///{project}/other.db"
    assert find().artifacts == (project / "mlruns").as_uri()


# ---------------------------------------------------------------- never in the way


def failed(models: list[str], capsys: pytest.CaptureFixture[str], seconds: float) -> str:
    """Sync where it cannot be done; return the one line that it warns with."""
    began = time.monotonic()
    synced = sync(models, EXPERIMENT)
    assert time.monotonic() - began < seconds
    warning = capsys.readouterr().err
    assert warning == f"warning: {synced.problem}\n"
    assert re.fullmatch(r"warning: tracking: .*; the outputs are whole; run `make sync` later\n", warning)
    return warning


def test_a_dead_server_costs_seconds_and_a_warning(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://name:hunter2@127.0.0.1:{free_port()}")
    assert "hunter2" not in failed(MODELS, capsys, 15)


def test_a_server_that_never_answers_costs_seconds_and_a_warning(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{mute.getsockname()[1]}")
        failed(MODELS, capsys, 30)


def test_a_damaged_database_is_left_as_it_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mlflow.db").write_bytes(b"no database at all" * 100)
    assert "file is not a database" in failed(MODELS, capsys, 10)
    assert Path("mlflow.db").read_bytes() == b"no database at all" * 100


def test_a_database_of_something_else_is_left_as_it_is(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mlflow.db").unlink()
    with closing(sqlite3.connect("mlflow.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    before = dump(project)
    assert "no such table" in failed(MODELS, capsys, 10)
    assert dump(project) == before


def test_a_locked_database_costs_seconds_and_a_warning(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect("mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in failed(MODELS, capsys, 15)


def test_a_missing_folder_is_not_made(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/typo/mlflow.db")
    assert "there is no folder" in failed(MODELS, capsys, 10)
    assert not Path("typo").exists()


def test_a_full_disk_is_a_warning_and_the_rest_comes_later(project: Path) -> None:
    Path("data/models/concat/seeds/7/weights.safetensors").write_bytes(bytes(8_000_000))
    # a limit on the size of a file stands for the full disk: the database fits, the weights do not
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, resource.RLIM_INFINITY))"
    code = f"{limit}\nfrom deconfuse.tracking.__main__ import main\nmain()"
    limited = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert limited.returncode == 1, limited
    assert "warning: tracking: OSError" in limited.stderr
    assert sync(MODELS, EXPERIMENT).written == ["concat"]
    assert len(runs(project)["concat"]["files"][WEIGHTS]) == 8_000_000


def test_an_experiment_in_the_bin_says_how_to_bring_it_back(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sync(MODELS, EXPERIMENT)
    find(project).client().delete_experiment("1")
    assert "mlflow experiments restore -x 1" in failed(MODELS, capsys, 15)


def test_a_models_own_damage_is_the_users_to_mend(project: Path) -> None:
    edit(Path("data/models/concat/run.json"), seeds={"7": {}})
    with pytest.raises(UserError, match="data/models/concat"):
        sync(MODELS, EXPERIMENT)


# ---------------------------------------------------------------- secrets


def test_only_secrets_are_hidden() -> None:
    kept = {"max_tokens": 64, "bandpass": 300, "representation": "tokens", "url": "https://host/a", "api_key": None}
    assert redact(kept) == kept
    lost = {"password": 1234, "ApiKey": "x", "api-key": "x", "hf_token": "x", "deep": {"credentials": {"name": ["x"]}}}
    assert set(re.findall(r"x|1234", json.dumps(list(redact(lost).values())))) == set()
    assert redact({"url": "s3://me:pw@host/a"}) == {"url": f"s3://{HIDDEN}@host/a"}


def test_no_secret_reaches_the_store(project: Path) -> None:
    secrets = {"password": "hunter2", "url": "https://me:hunter2@host/data.csv", "hf_token": "hunter2"}
    for name in ("run.json", "model.json"):
        path = Path("data/models/concat") / name
        edit(path, params=read_json(path)["params"] | {"data": secrets})
    assert sync(["concat"], EXPERIMENT).written == ["concat"]
    assert runs(project)["concat"]["params"]["data.password"] == HIDDEN
    stored = [Path("mlflow.db"), *(path for path in Path("mlruns").rglob("*") if path.is_file())]
    assert len(stored) > len(DRAWN)
    assert not [path for path in stored if b"hunter2" in path.read_bytes()]


# ---------------------------------------------------------------- real servers and the command line


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextmanager
def serving(process: "subprocess.Popen[str]", address: str) -> Iterator[str]:
    """Wait for a web server until it answers; end it afterwards."""
    try:
        deadline = time.monotonic() + 90
        while not answers(address):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, "the server does not start"
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=2) as reply:
            return reply.status == 200
    except URLError:
        return False


def test_a_server_gets_the_same_runs_as_a_file(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sync(MODELS, EXPERIMENT)
    expected = runs(project)
    port, folder = free_port(), tmp_path / "server"
    folder.mkdir()
    options = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "files"), "--workers", "1"]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    command = [sys.executable, "-m", "mlflow", "server", *options, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
    with serving(server, f"http://127.0.0.1:{port}") as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert sync(MODELS, EXPERIMENT).written == MODELS
        assert sync(MODELS, EXPERIMENT).known == MODELS
        assert runs(project) == expected


def test_the_pages_open_on_the_store_with_one_worker(project: Path) -> None:
    sync(MODELS, EXPERIMENT)
    port = free_port()
    pages = command_line(project, "ui", "--port", str(port))
    with serving(pages, f"http://127.0.0.1:{port}") as address:
        assert pages.stdout is not None
        assert f" is shown at {address}/#/experiments/1/runs?" in pages.stdout.readline()
        client = find(project).client()
        run_id = client.search_runs(["1"], filter_string="attributes.run_name = 'concat'")[0].info.run_id
        with urlopen(f"{address}/get-artifact?path=model.json&run_id={run_id}", timeout=10) as reply:
            assert reply.read() == Path("data/models/concat/model.json").read_bytes()
        taken = command_line(project, "ui", "--port", str(port))
        assert f"error: port {port} cannot be used" in taken.communicate()[1]


def test_the_command_names_models_that_are_not_trained(project: Path) -> None:
    Path("data/models/concat/run.json").unlink()
    process = command_line(project)
    output, errors = process.communicate()
    assert (process.returncode, errors) == (0, "")
    assert output.splitlines()[1:] == ["not trained yet: concat"]


def test_the_command_fails_where_the_store_does(project: Path) -> None:
    process = command_line(project, MLFLOW_TRACKING_URI="./mlruns")
    output, errors = process.communicate()
    assert (process.returncode, output) == (1, "")
    assert errors.startswith("warning: tracking: MLFLOW_TRACKING_URI=./mlruns is no store")


def test_a_stage_that_only_imports_tracking_stays_light() -> None:
    code = "import sys, deconfuse.tracking; print([m for m in ('mlflow', 'torch', 'pandas', 'sqlalchemy', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
