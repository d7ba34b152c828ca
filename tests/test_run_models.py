"""The model of a run: whole, once, of the training's own code and data, and without what must not be shown."""

import json
import shutil
from pathlib import Path
from typing import Any

import finished_project
import pytest
from finished_project import Fake
from stores import prepared

from deconfuse.kernel.files import read_json, write_json
from deconfuse.serving.packaging import package
from deconfuse.tracking import sync
from deconfuse.tracking.drawing import MODEL_TAG
from deconfuse.tracking.store import find

MODELS = {"one": Fake(("image",), None, 0.6, 1), "three": Fake(("image", "text"), "concat", 0.7, 2, (0, 1, 2))}
SEEDS = ["seeds/0/weights.safetensors", "seeds/2/weights.safetensors"]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store without runs: its tables take a second."""
    root = tmp_path_factory.mktemp("empty")
    prepared(root)
    return root / "mlflow.db"


@pytest.fixture
def project(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copy2(empty, tmp_path)
    monkeypatch.setattr(finished_project, "write_raw", lambda folder, *_: write_json(folder / "source.json", {"digest": "source"}))
    finished_project.build(tmp_path, models=MODELS, kinds={"image": "image", "text": "text"})
    finished_project.make_servable(tmp_path, MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def drawn(root: Path, name: str) -> tuple[dict[str, str], dict[str, bytes]]:
    """Tags and files of a run."""
    client = find(root).client()
    (run,) = client.search_runs(["1"], f"attributes.run_name = '{name}'")
    folder = Path(str(run.info.artifact_uri).removeprefix("file://"))
    return run.data.tags, contents(folder)


def synced(**expected: list[str]) -> None:
    done = sync(list(MODELS), "deconfuse")
    assert done.problem is None
    assert {name: getattr(done, name) for name in ("written", "updated", "known")} == {"written": [], "updated": [], "known": []} | expected


def test_every_run_has_its_model_and_each_weight_once(project: Path) -> None:
    synced(written=["one", "three"])
    for name, kept in (("one", []), ("three", SEEDS)):
        tags, files = drawn(project, name)
        model = {path.removeprefix("model/"): content for path, content in files.items() if path.startswith("model/")}
        assert sorted(model) == [
            *("MLmodel", "artifacts/bundle/about.json", "artifacts/bundle/weights.safetensors", "code.zip", "conda.yaml"),
            *("input_example.json", "pyfunc.py", "python_env.yaml", "requirements.txt", "serving_input_example.json"),
        ]
        assert [path for path in sorted(files) if path.startswith("seeds/")] == kept
        assert model["artifacts/bundle/weights.safetensors"] == f"weights of {name} with seed {7 if name == 'one' else 1}".encode()
        assert sum(map(len, model.values())) - len(model["MLmodel"]) == size(model["MLmodel"])
        (told,) = json.loads(tags[MODEL_TAG])
        assert (told["artifact_path"], list(told["flavors"])) == ("model", ["python_function"])
    assert "deconfuse/serving/served.py" in names(model["code.zip"])
    synced(known=["one", "three"])


def test_what_a_process_has_on_its_path_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package("one", project / "before", project)
    # as it is once setuptools is imported, which brings a `wheel` along
    about = project / "brought/wheel-0.1.dist-info/METADATA"
    about.parent.mkdir(parents=True)
    about.write_text("Metadata-Version: 2.1\nName: wheel\nVersion: 0.1\n")
    monkeypatch.syspath_prepend(about.parents[1])
    package("one", project / "after", project)
    assert contents(project / "after") == contents(project / "before")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def size(description: bytes) -> int:
    return next(int(line.split(": ")[1]) for line in description.decode().splitlines() if line.startswith("model_size_bytes"))


def names(content: bytes) -> list[str]:
    from io import BytesIO
    from zipfile import ZipFile

    with ZipFile(BytesIO(content)) as archive:
        return archive.namelist()


def test_a_model_of_other_code_comes_when_the_code_is_back(project: Path) -> None:
    path = Path("data/models/three/run.json")
    kept = path.read_bytes()
    write_json(path, read_json(path) | {"sources": {"deconfuse/kernel/lookup.py": "0" * 64}})
    synced(written=["one", "three"])
    tags, files = drawn(project, "three")
    assert MODEL_TAG not in tags and not [name for name in files if name.startswith("model/")]
    assert [name for name in sorted(files) if name.startswith("seeds/")] == sorted([*SEEDS, "seeds/1/weights.safetensors"])
    synced(known=["one", "three"])
    path.write_bytes(kept)
    synced(known=["one"], updated=["three"])
    tags, files = drawn(project, "three")
    assert MODEL_TAG in tags and "model/MLmodel" in files
    synced(known=["one", "three"])


@pytest.mark.parametrize("changes", [{"digest": {"train": "x", "val": "y"}}, None])
def test_a_model_of_other_data_is_none(project: Path, changes: dict[str, Any] | None) -> None:
    path = Path("data/prepared/schema.json")
    if changes is None:
        path.unlink()
    else:
        write_json(path, read_json(path) | changes)
    synced(written=["one", "three"])
    assert not [name for name in drawn(project, "one")[1] if name.startswith("model/")]


@pytest.mark.parametrize("call", ["log_artifacts", "set_tag"])
def test_a_model_that_was_broken_off_is_finished(project: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    from mlflow.tracking import MlflowClient

    untouched = getattr(MlflowClient, call)

    def killed(client: MlflowClient, run_id: str, what: str, *rest: object) -> None:
        if what == MODEL_TAG or Path(what, "model").is_dir():
            raise KeyboardInterrupt
        untouched(client, run_id, what, *rest)

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(MlflowClient, call, killed)
        sync(["one"], "deconfuse")
    synced(written=["one", "three"])
    tags, files = drawn(project, "one")
    assert MODEL_TAG in tags and "model/MLmodel" in files
    assert len(find(project).client().search_runs(["1"])) == 5


def test_no_secret_of_the_data_is_in_a_model(project: Path) -> None:
    path = Path("data/prepared/schema.json")
    told = read_json(path)["params"]
    data = {"source": "https://me:hunter2@host/x.csv", "hf_token": "hunter2", "columns": {"label": "password"}, "encoding": "latin-1"}
    write_json(path, read_json(path) | {"params": told | {"data": data}})
    synced(written=["one", "three"])
    files = drawn(project, "one")[1]
    assert json.loads(files["model/artifacts/bundle/about.json"])["schema"]["params"]["data"] == {
        "columns": {"label": "password"},
        "encoding": "latin-1",
    }
    assert not [path for path in Path("mlruns").rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_what_mlflow_finds_beside_a_project_is_not_taken_along(project: Path) -> None:
    for name in ("uv.lock", "pyproject.toml"):
        Path(name).write_text("")
    sync(["one"], "deconfuse")
    assert not {"model/uv.lock", "model/pyproject.toml"} & drawn(project, "one")[1].keys()
