"""A training that is killed, ended by a signal or started twice goes on where it was, and ends with the same bytes."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import drawn
import numpy as np
import pytest
from clone import ROOT, Clone, git
from ruamel.yaml import YAML
from small_project import MODELS, build
from torch.cuda import is_available

from deconfuse.training.draws import order

DRAWN = range(14, 26)
COMPARED = ("seeds/0/weights.safetensors", "model.json", "history.csv", "diagnosis.csv")


def digests(root: Path, name: str) -> list[str]:
    return [hashlib.sha256((root / "data/models" / name / file).read_bytes()).hexdigest() for file in COMPARED]


def begun(root: Path, *words: str) -> subprocess.Popen:
    """A command of the environment, in a process group of its own."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    code = root if (root / "stages").is_dir() else ROOT
    environment = outer | {"PATH": path, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(code)}
    return subprocess.Popen(words, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def training(root: Path, name: str) -> subprocess.Popen:
    return begun(root, "python", "-m", "stages.train", name)


def wait_for(what: Callable[[], bool], process: subprocess.Popen) -> None:
    ends = time.monotonic() + 120
    while not what():
        assert process.poll() is None and time.monotonic() < ends, process.communicate()
        time.sleep(0.005)


def saved(root: Path, name: str) -> list[str]:
    return sorted(path.stem for path in (root / "data/checkpoints" / name / "0").glob("[0-9]*.json"))


# ---- killed


def kill(plain: Path, disturbed: Path, *kinds: str) -> dict[str, Any]:
    """Train the models of both, and kill the disturbed ones; all end well."""
    process = begun(ROOT, "python", "tests/killing.py", str(plain), str(disturbed), *kinds)
    out, errors = process.communicate(timeout=150)
    assert process.returncode == 0, errors.decode()
    told = json.loads(out)
    assert set(told["codes"].values()) == {0}, [path.read_text() for path in plain.glob("*.log")]
    return told


def test_trainings_killed_at_random_moments_end_with_the_bytes_of_undisturbed_ones(tmp_path: Path) -> None:
    plain, disturbed = tmp_path / "plain", tmp_path / "disturbed"
    build(plain, diagnose=True)
    # 21 kB: pictures and texts in memory, sounds and clips on disk
    build(disturbed, diagnose=True, checkpoint=0, resident=2e-5)
    # what is never read cannot do harm: the other one has no test split at all
    for folder in ("prepared/test/rows", "embedded/test/image"):
        (disturbed / "data" / folder).mkdir(parents=True)
        (disturbed / "data" / folder / "values.npy").write_text("poison")
    told = kill(plain, disturbed, "any", "later", "later", "writing")
    assert len(told["codes"]) == 2 * len(MODELS)
    assert len(told["kills"]) >= 24 and {one["model"] for one in told["kills"]} == set(MODELS)
    assert sum(one["half_written"] for one in told["kills"]) >= 4, "some are to hit while a file is being written"
    assert any(one["last"] and not one["last"].endswith("00000000") for one in told["kills"]), "some are to hit inside an epoch"
    gone_on = 0
    for name in MODELS:
        assert digests(disturbed, name) == digests(plain, name), name
        assert "going on" in (disturbed / f"{name}.log").read_text()
        run = json.loads((disturbed / "data/models" / name / "run.json").read_text())
        # a fast machine may be done before the last kill: what then begins anew has no pause
        ((_, own),) = run["seeds"].items()
        gone_on += bool(own["pauses"])
        pauses = sum(on - off for off, on in own["pauses"])
        assert 0 < run["train_seconds"] == pytest.approx(run["ended"] - run["started"] - pauses, abs=1e-3)
        assert len(own["epoch_ended"]) == len((plain / "data/models" / name / "history.csv").read_text().splitlines()) - 1
        assert saved(disturbed, name) == [] and not list((disturbed / "data/models" / name).glob(".*")), "nothing is left behind"
    assert gone_on >= len(MODELS) / 2


def test_so_do_models_and_settings_drawn_by_chance(tmp_path: Path) -> None:
    """With one core or two, data in memory or on disk, checkpoints or none."""
    models = {f"drawn_{number}": drawn.model(random.Random(number)) for number in DRAWN}
    plain, disturbed = tmp_path / "plain", tmp_path / "disturbed"
    for root, settings in ((plain, {}), (disturbed, {"checkpoint": 0, "resident": 2e-5})):
        build(root, samples=33, epochs=2, **settings)
        params = YAML(typ="safe").load(root / "params.yaml")
        (root / "params.yaml").write_text(json.dumps(params | {"models": models}))
    told = kill(plain, disturbed, "later")
    assert len(told["codes"]) == 2 * len(DRAWN) and len(told["kills"]) >= len(DRAWN) / 2
    for name, entry in models.items():
        assert digests(disturbed, name) == digests(plain, name), entry


# ---- signals, and a second process


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A small project, and the digests of its model `cnn` as the command makes it undisturbed."""
    plain, root = tmp_path_factory.mktemp("plain"), tmp_path_factory.mktemp("disturbed")
    build(plain, epochs=40)
    build(root, epochs=40, checkpoint=0)
    process = training(plain, "cnn")
    assert process.communicate()[1] == b"" and process.returncode == 0
    assert saved(plain, "cnn") == [], "a run shorter than the interval writes no checkpoint"
    return root, digests(plain, "cnn")


def test_signals_save_and_say_how_to_go_on_and_a_twin_is_refused(project: tuple[Path, list[str]]) -> None:
    root, undisturbed = project
    for number in (signal.SIGTERM, signal.SIGINT):
        before = saved(root, "cnn")
        process = training(root, "cnn")
        wait_for(lambda: saved(root, "cnn") > before, process)  # noqa: B023
        os.kill(process.pid, signal.SIGSTOP)
        if number == signal.SIGTERM:
            twin = training(root, "cnn")
            refusal = twin.communicate()[1].decode()
            assert twin.returncode == 1 and refusal.startswith("error: models.cnn: it is being trained already")
            assert f"the process {process.pid}, " in refusal and refusal.count("\n") == 1
        os.kill(process.pid, number)
        os.kill(process.pid, signal.SIGCONT)
        *resumed, line = process.communicate()[1].decode().splitlines()
        assert process.returncode == 128 + number, line
        assert [words.startswith("train cnn: going on after") for words in resumed] == [True] * bool(before)
        place = line.removeprefix("train cnn: stopped ").split(";")[0]
        assert line == f"train cnn: stopped {place}; `dvc repro` goes on {place}"
        epoch, step = (int(part) for part in saved(root, "cnn")[-1].split("-"))
        assert place == (f"after step {step} of epoch {epoch}" if step else f"after epoch {epoch - 1}")
        assert not (root / "data/models/cnn/run.json").exists()
    # the lock of a process that was killed is nobody's
    process = training(root, "cnn")
    wait_for(lambda: saved(root, "cnn") > [f"{epoch:06d}-{step:08d}"], process)
    process.kill()
    process.communicate()
    process = training(root, "cnn")
    assert process.communicate()[1].decode().startswith("train cnn: going on after") and process.returncode == 0
    assert digests(root, "cnn") == undisturbed


# ---- what cannot be gone on from


def test_a_value_that_is_no_number_is_told_with_samples_and_checkpoint(tmp_path: Path) -> None:
    build(tmp_path, checkpoint=0)
    path = tmp_path / "data/embedded/train/audio/values.npy"
    array = np.load(path)
    has_audio = np.flatnonzero(np.load(tmp_path / "data/prepared/train/rows/present.npy")[:, 0])
    # the sample is seen in the first epoch's third step
    bad = next(int(i) for i in order(65, 0, 1).tensor_split(5)[2] if i in has_audio)
    array[bad, 0] = np.nan
    np.save(path, array)
    process = training(tmp_path, "attention")
    error = process.communicate()[1].decode()
    assert process.returncode == 1 and error.count("\n") == 1
    assert error.startswith(
        "error: models.attention: the training loss of epoch 1, step 3 is nan; a lower learning_rate may help; that step"
    )
    assert f"train-{bad}, " in error and error.count("train-") == 13
    assert error.endswith("; the last good checkpoint, after step 2 of epoch 1, stays in data/checkpoints/attention/0\n")
    assert saved(tmp_path, "attention") == ["000001-00000001", "000001-00000002"]


def test_a_model_without_rows_is_told(tmp_path: Path) -> None:
    build(tmp_path)
    path = tmp_path / "data/prepared/val/rows/present.npy"
    np.save(path, np.load(path) & [True, False, True, True])
    process = training(tmp_path, "cnn")
    assert b"error: models.cnn: 2 or more rows of the val split must have any of image; found 0" in process.communicate()[1]
    assert process.returncode == 1


# ---- on a GPU


@pytest.mark.skipif(not is_available(), reason="there is no GPU")
@pytest.mark.parametrize("settings", [{"precision": "fp32"}, {"precision": "bf16", "cuda_graph": True}], ids=["steps", "recorded"])
@pytest.mark.parametrize("name", ["cnn", "deconvolution", "attention"])
def test_a_killed_training_on_a_gpu_ends_with_the_bytes_of_an_undisturbed_one(name: str, settings: dict[str, Any], tmp_path: Path) -> None:
    plain, disturbed = tmp_path / "plain", tmp_path / "disturbed"
    build(plain, **settings)
    build(disturbed, checkpoint=0, **settings)
    process = training(disturbed, name)
    wait_for(lambda: len(saved(disturbed, name)) > 0, process)
    process.kill()
    process.communicate()
    processes = [training(disturbed, name), training(plain, name)]
    said = [process.communicate()[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert (
        "going on after" in said[0]
        and json.loads((plain / "data/models" / name / "run.json").read_text())["environment"]["device"] != "cpu"
    )
    assert digests(disturbed, name) == digests(plain, name)


# ---- under DVC


def test_dvc_sees_a_failure_and_its_next_run_goes_on(tmp_path: Path) -> None:
    clone = Clone.make(tmp_path)
    clone.edit({"data.limit": 120, "train.epochs": 150, "train.checkpoint": 0.1, "embed": {"image": "pixels"}})
    clone.edit(
        {"models": {"other": {"encoders": {"image": "deconvolution"}, "train": {"epochs": 1}}, "tried": {"encoders": {"image": "cnn"}}}}
    )
    clone.run("dvc", "repro", "train@other")
    process = begun(tmp_path, "dvc", "repro", "train@tried")
    wait_for(lambda: bool(saved(tmp_path, "tried")), process)
    os.kill(int((tmp_path / "data/checkpoints/tried.pid").read_text()), signal.SIGTERM)
    out = b"\n".join(process.communicate()).decode()
    assert process.returncode not in (0, None), out
    assert "train tried: stopped after" in out and "Traceback" not in out and "exited with 143" in out
    other = digests(tmp_path, "other")
    assert "train@tried" not in (tmp_path / "dvc.lock").read_text() and saved(tmp_path, "tried")
    done = clone.run("dvc", "repro", "train@tried")
    assert done.ran == ["train@tried"] and "train tried: going on after" in done.out
    found = digests(tmp_path, "tried")
    assert digests(tmp_path, "other") == other and saved(tmp_path, "tried") == []
    assert clone.run("dvc", "repro", "train@tried").ran == []
    clone.run("python", "-m", "stages.train", "tried")
    assert digests(tmp_path, "tried") == found, "an undisturbed run gives the same bytes"
    assert git(tmp_path, "status", "--porcelain").split() == ["M", "params.yaml", "??", "dvc.lock"]
