"""The search: its trials are real trainings of a small project, its studies real SQLite, its runs a real MLflow store."""

import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clone import ROOT
from ruamel.yaml import YAML
from small_project import build

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.words import plural
from deconfuse.params.search import Search
from deconfuse.params.space import changed, check_keys
from deconfuse.search.study import Trials
from deconfuse.search.writing import difference, write
from deconfuse.validation import validate

KINDS = {name: name for name in ("audio", "image", "text", "video")}
SPACE = {
    "train.learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "models.transformer.encoders.text.heads": [1, 2],
    "models.transformer.width": [8, 9],
}
SEARCH = {"model": "transformer", "trials": 5, "startup": 2, "seed": 5, "space": SPACE}


def project(root: Path, **search: Any) -> Path:
    """A small project that can be searched; its code is this one's."""
    root.mkdir()
    build(root)
    for name in ("deconfuse", "stages", "dvc.yaml"):
        (root / name).symlink_to(ROOT / name)
    edit(root, search=SEARCH | search)
    return root


def edit(root: Path, **sections: Any) -> None:
    path = root / "params.yaml"
    values = YAML(typ="safe").load(path.read_text())
    embed = {"audio": "log_mel", "image": "pixels", "text": "characters", "video": "pixels"}
    values = {"data": {}, "preprocess": {}, "embed": embed, "report": {}} | values
    values["tracking"] = {"experiment": "tried"}
    values["models"]["transformer"] = {"encoders": {"text": {"name": "transformer", "heads": 1, "layers": 1}}, "width": 8}
    path.write_text("")
    with path.open("w") as file:
        file.write("# mine\n")
        YAML().dump(values | sections, file)


def begin(root: Path, *words: str, **environment: str) -> subprocess.Popen:
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "deconfuse.search", *words],
        cwd=root,
        env=outer | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def search(root: Path, *words: str, code: int = 0, **environment: str) -> str:
    process = begin(root, *words, **environment)
    out = process.communicate(timeout=300)[0]
    assert process.returncode == code and "Traceback" not in out, out
    return out


def wait_for(what: Callable[[], bool], process: subprocess.Popen) -> None:
    ends = time.monotonic() + 120
    while not what():
        assert process.poll() is None and time.monotonic() < ends, process.communicate()
        time.sleep(0.02)


def lines(out: str) -> list[str]:
    """What is said of each trial."""
    return re.findall(r"^trial \d+: .*$", out, re.MULTILINE)


def runs(root: Path) -> dict[str, tuple[str, int]]:
    """Trial -> how it ended and how many epochs it has, in the MLflow store."""
    with sqlite3.connect(f"file:{root / 'mlflow.db'}?mode=ro", uri=True) as store:
        query = """SELECT trial.value, state.value, (SELECT count(*) FROM metrics WHERE run_uuid = runs.run_uuid AND key = 'val_loss')
            FROM runs JOIN experiments USING (experiment_id)
            JOIN tags AS trial ON trial.run_uuid = runs.run_uuid AND trial.key = 'search.trial'
            JOIN tags AS state ON state.run_uuid = runs.run_uuid AND state.key = 'search.state'
            WHERE runs.status = 'FINISHED' AND experiments.name = 'tried search'"""
        found = store.execute(query).fetchall()
    assert len({trial for trial, _, _ in found}) == len(found), "a trial is one run"
    return {trial: (state, epochs) for trial, state, epochs in found}


# ---- real trainings


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A project that was searched, and what the search said."""
    root = project(tmp_path_factory.mktemp("undisturbed") / "project")
    return root, search(root)


def test_a_search_tries_prunes_fails_and_says_what_is_best(undisturbed: tuple[Path, str]) -> None:
    root, out = undisturbed
    told = lines(out)
    assert len(told) == 5
    losses = {
        i: float(found[1]) for i, line in enumerate(told) if (found := re.search(r"validation loss ([\d.e-]+), after 4 epochs", line))
    }
    best = min(losses, key=lambda i: losses[i])
    assert f"the best is trial {best}, validation loss {losses[best]:.6g}" in out
    failed = [line for line in told if ": failed, after 0 epochs" in line]
    assert failed and all("heads=2, models.transformer.width=9" in line for line in failed), "a pair that does not go together"
    assert "2 heads do not divide the width 9" in out
    pruned = [line for line in told if ": pruned" in line]
    assert len(losses) + len(failed) + len(pruned) == 5 and pruned
    found = runs(root)
    assert sorted(found) == ["0", "1", "2", "3", "4"]
    for i, line in enumerate(told):
        state, epochs = found[str(i)]
        assert state == next((word for word in ("pruned", "failed") if f": {word}" in line), "complete")
        assert f"after {plural(epochs, 'epoch')};" in line


def test_the_best_values_are_written_and_the_study_stays(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    root, out = undisturbed
    copy = tmp_path / "project"
    shutil.copytree(root, copy, symlinks=True)
    before = (copy / "params.yaml").read_text()
    told = search(copy, "--write")
    assert "written to params.yaml" in told and lines(told) == []
    after = (copy / "params.yaml").read_text()
    assert after.startswith("# mine\n") and len(after.splitlines()) == len(before.splitlines())
    values = YAML(typ="safe").load(after)
    rate = values["train"]["learning_rate"]
    assert f"  train.learning_rate: 0.01 -> {rate}" in out.splitlines()
    # what was found is no reason to search anew, and what is done is done
    again = search(copy)
    assert lines(again) == [] and f"  train.learning_rate: {rate}" in again.splitlines()
    assert runs(copy) == runs(root)


def test_a_search_that_is_stopped_and_killed_tries_what_an_undisturbed_one_tries(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    root = project(tmp_path / "project", trials=3)
    dead = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
    logs = lambda: sorted((root / "data/search").glob("*/*/train.log"))  # noqa: E731
    process = begin(root, **dead)
    wait_for(lambda: len(logs()) == 1, process)
    process.send_signal(signal.SIGTERM)
    stopped = process.communicate(timeout=100)[0]
    assert process.returncode == 128 + signal.SIGTERM and stopped.endswith("stopped; `make search` goes on\n"), stopped
    began = time.time()
    process = begin(root, **dead)
    # a second one at the same time, as soon as the first has its lock
    wait_for(lambda: any(path.stat().st_mtime > began for path in logs()), process)
    twin = search(root, code=1)
    assert twin.startswith("error: this search, transformer-") and "is running already" in twin
    wait_for(lambda: len(logs()) >= 2, process)
    process.kill()
    killed = process.communicate(timeout=100)[0]
    assert 1 <= (stopped + killed).count("warning: tracking:") <= 2, "a dead server costs a search a line"
    assert not (root / "mlflow.db").exists()
    last = search(root)
    assert lines(stopped + killed + last) == lines(undisturbed[1])[:3]
    assert runs(root) == {trial: found for trial, found in runs(undisturbed[0]).items() if int(trial) < 3}


# ---- studies without trainings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data/search").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(**search: Any) -> Search:
    return Search.model_validate(SEARCH | search)


def loss(values: dict[str, Any], epoch: int) -> float:
    return abs(values["train.learning_rate"] - 0.003) + values["models.transformer.width"] + 1 / epoch


def go_on(trials: Trials, number: int) -> list[tuple[Any, ...]]:
    """Try so many; returns place, values, state and epochs of each."""
    told = []
    for _ in range(number):
        asked = trials.ask()
        place, values = asked.user_attrs["place"], asked.user_attrs["values"]
        ended = next((epoch for epoch in range(1, 5) if trials.report(asked, epoch, loss(values, epoch))), None)
        trials.tell(asked, "pruned" if ended else "complete", None if ended else loss(values, 4))
        told.append((place, values, ended))
    return told


def test_a_search_repeats_and_goes_on_as_if_nothing_had_been(folder: Path) -> None:
    plain = go_on(Trials(settings(), "plain"), 12)
    assert plain[0][1] != plain[1][1]
    assert go_on(Trials(settings(), "same"), 12) == plain
    assert go_on(Trials(settings(seed=2), "other"), 12) != plain
    told = go_on(Trials(settings(), "lost"), 5)
    for _ in range(2):
        # its process is killed, and killed again when it tries the same
        Trials(settings(), "lost").ask()
    trials = Trials(settings(), "lost")
    assert told + go_on(trials, 7) == plain
    assert [one.user_attrs["place"] for one in trials.done()] == list(range(12))
    assert any(ended for _, _, ended in plain) and not any(ended for _, _, ended in plain[:2])
    assert not any(ended for _, _, ended in go_on(Trials(settings(pruner="none"), "none"), 12))
    assert all(0 < len(f"{values['train.learning_rate']:g}") <= 9 for _, values, _ in plain), "numbers that can be read"


def test_a_trial_that_kills_its_search_again_and_again_counts_as_failed(folder: Path) -> None:
    for _ in range(3):
        last = Trials(settings(), "kills").ask()
    trials = Trials(settings(), "kills")
    assert [(one.user_attrs["place"], trials.state(one)) for one in trials.done()] == [(0, "failed")]
    assert trials.ask().user_attrs["values"] != last.user_attrs["values"] and trials.best() is None


# ---- params


def params(tmp_path: Path, space: dict[str, Any], **further: Any) -> Path:
    path = tmp_path / "params.yaml"
    values = YAML(typ="safe").load(Path("params.yaml").read_text())
    values["search"] = {"model": "attention", "space": space} | further
    YAML().dump(values, path)
    return path


WRONG = [
    ({"train.learning_rat": [1]}, "search.space.train.learning_rat: 1 does not do", "did you mean `learning_rate`?"),
    ({"train.learning_rate": {"low": 1e-4, "high": 100}}, "search.space.train.learning_rate: 100 does not do", "less than or equal to 10"),
    ({"train.epochs": {"low": 1.0, "high": 9.0}}, "search.space.train.epochs: 1.0 does not do", "integer"),
    ({"train.epochs": {"low": 9, "high": 1}}, "search.space.train.epochs: found", "must be less than"),
    ({"train.mixup": {"low": 0, "high": 1, "log": True}}, "search.space.train.mixup: found", "greater than 0"),
    ({"train.epochs": {"low": 1, "hig": 9}}, "search.space.train.epochs.hig: there is no such key, did you mean `high`?"),
    ({"train.epochs": []}, "search.space.train.epochs: found []; needs at least 1"),
    ({"train.epochs.x": [1]}, "search.space.train.epochs.x: 1 does not do", "which has no keys"),
    ({"models.attention.fusion.heads": [2, 5]}, "5 does not do", "5 heads do not divide the width 64"),
    ({"models.attention.encoders.image": ["lstm"]}, "'lstm' does not do", "embed.image gives image"),
    ({"models.concat.width": [8]}, "search.space.models.concat.width: a search changes keys of `train` and `models.attention`"),
    ({"embed.text": ["words"]}, "search.space.embed.text: a search changes keys", "dvc exp run"),
    ({"train.seeds": [[0], [1]]}, "search.space.train.seeds: the seed with the lowest loss is the luckiest"),
    ({}, "search.space: found {}; needs at least 1"),
]


@pytest.mark.parametrize(("space", "words"), [pytest.param(space, words, id=str(space)[:40]) for space, *words in WRONG])
def test_a_wrong_space_is_told_by_its_key(tmp_path: Path, space: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as error:
        validate(KINDS, params(tmp_path, space))
    assert [word for word in words if word not in str(error.value)] == []


def test_a_right_space_is_taken_and_a_wrong_model_is_not(tmp_path: Path) -> None:
    space = {"train.epochs": {"low": 1, "high": 9}, "models.attention.fusion.heads": [2, 4], "models.attention.train.mixup": [0, 0.4]}
    # the width is 64: one that three heads divide is among the others
    pair = {"models.attention.fusion.heads": [3], "models.attention.width": [33, 66]}
    validate(KINDS, params(tmp_path, pair))
    checked = validate(KINDS, params(tmp_path, space)).search
    assert checked is not None and checked.trials == 20
    with pytest.raises(UserError, match="search.model: there is no model 'none'; there are: image_cnn"):
        validate(KINDS, params(tmp_path, space, model="none"))
    values = {"models": {"a": {"train": {"epochs": 3}}}}
    with pytest.raises(UserError, match=r"models\.a\.train\.epochs is set, and holds for this model; search that one"):
        check_keys(Search.model_validate({"model": "a", "space": {"train.epochs": [1]}}), values, "params.yaml")


def test_values_are_set_in_the_params_and_nothing_else_is_touched(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    shutil.copy("params.yaml", path)
    values = {
        "train.learning_rate": 0.001234,
        "models.attention.fusion.heads": 2,
        "models.concat.encoders.image": {"name": "deconvolution"},
    }
    write(values, path)
    old, new = (file.read_text().splitlines() for file in (Path("params.yaml"), path))
    assert [(a, b) for a, b in zip(old, new, strict=True) if a != b] == [
        ("  learning_rate: 3e-3", "  learning_rate: 0.001234"),
        *((line, line.replace("image: cnn", "image: {name: deconvolution}")) for line in old if line.startswith("  concat:")),
        *(
            (line, line.replace("fusion: attention", "fusion: {name: attention, heads: 2}"))
            for line in old
            if line.startswith("  attention:")
        ),
    ]
    given = {"train": {"learning_rate": 0.003}}
    assert difference(given, {"train.learning_rate": 0.1, "train.mixup": 0.4}) == [
        "  train.learning_rate: 0.003 -> 0.1",
        "  train.mixup: (default) -> 0.4",
    ]
    assert changed(given, {"train.mixup": 1}) == {"train": {"learning_rate": 0.003, "mixup": 1}} and given == {
        "train": {"learning_rate": 0.003}
    }
