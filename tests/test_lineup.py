"""The line-up side by side, with real DVC and git, on a pipeline of the project's shape whose stages cost nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from clone import ROOT, git
from ruamel.yaml import YAML

from deconfuse.kernel.cores import cores
from deconfuse.lineup.jobs import waiting, workers

PIPELINE = """
stages:
  embed:
    foreach: ${embed}
    do:
      cmd: python stage.py embed ${key}
      params: ["embed.${key}"]
      outs: ["embedded/${key}"]
  train:
    foreach: ${models}
    do:
      cmd: python stage.py train ${key}
      params: ["models.${key}"]
      deps: [embedded]
      outs: ["data/models/${key}/run.json"]
  evaluate:
    foreach: ${models}
    do:
      cmd: python stage.py evaluate ${key}
      deps: ["data/models/${key}/run.json"]
      outs: ["evaluated/${key}"]
  report:
    cmd: python stage.py report all
    params: [models]
    deps: [evaluated]
    outs: [report]
"""
# writes what the params say, and when it was at work
STAGE = """
import json, signal, sys, time
from pathlib import Path
from deconfuse.kernel.errors import Stopped, command, listening
kind, name = sys.argv[1:]
def say(what):
    with Path("log").open("a") as log:
        log.write(json.dumps([what, kind, name, time.monotonic()]) + "\\n")
def main():
    out = Path({"embed": f"embedded/{name}", "train": f"data/models/{name}/run.json", "evaluate": f"evaluated/{name}"}.get(kind, "report"))
    entry = json.loads(Path("work.json").read_text()).get(name, {}) if kind == "train" else {}
    say("begins")
    with listening() as came:
        while entry.get("after", "begins") not in Path("log").read_text():
            time.sleep(0.02)
        ends = time.monotonic() + entry.get("seconds", 0)
        while time.monotonic() < ends and not came:
            time.sleep(0.02)
        if came:
            say("stopped")
            raise Stopped(came[0], f"train {name}: stopped after epoch 1; `dvc repro` goes on after epoch 1")
    if entry.get("fails"):
        say("fails")
        sys.exit(f"error: models.{name}: is not to be")
    out.parent.mkdir(parents=True, exist_ok=True)
    print(f"{kind} of {name} writes")
    out.write_text(json.dumps({"train_seconds": entry.get("known", 1)}))
    say("ends")
command(main)
"""
MODELS = {name: {"encoders": {"image": "cnn"}} for name in ("first", "second", "third")}


class Project:
    """A folder with the pipeline; `work` says what the training of each model does."""

    def __init__(self, root: Path, **sections: Any) -> None:
        root.mkdir()
        self.root = root
        (root / "dvc.yaml").write_text(PIPELINE)
        (root / "stage.py").write_text(STAGE)
        with (root / "params.yaml").open("w") as file:
            YAML().dump({"embed": dict.fromkeys(("text", "image", "audio", "video"), "pixels"), "models": MODELS} | sections, file)
        self.work()
        git(root, "init", "--quiet")
        (root / ".gitignore").write_text("/log\n/work.json\n/data/\n/embedded/\n/evaluated/\n/report\n")
        (root / ".dvc").mkdir()
        (root / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())

    def work(self, **models: dict[str, Any]) -> None:
        (self.root / "work.json").write_text(json.dumps(models))
        (self.root / "log").write_text("")

    def begin(self, *words: str) -> subprocess.Popen:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DVC_")}
        environment |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(words, cwd=self.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words: str, code: int = 0) -> str:
        process = self.begin(*words)
        out = process.communicate(timeout=100)[0]
        assert process.returncode == code, out
        return out

    def lineup(self, code: int = 0) -> str:
        return self.run("python", "-m", "deconfuse.lineup", code=code)

    def log(self, what: str, kind: str = "train") -> dict[str, float]:
        """Model -> when this happened, in order."""
        lines = [json.loads(line) for line in (self.root / "log").read_text().splitlines()]
        return {name: at for happened, stage, name, at in lines if (happened, stage) == (what, kind)}

    def lock(self) -> str:
        return (self.root / "dvc.lock").read_text()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> str:
    """dvc.lock of a plain `dvc repro`."""
    project = Project(tmp_path_factory.mktemp("plain") / "project")
    project.run("dvc", "repro")
    return project.lock()


def test_two_at_a_time_leave_what_one_after_another_leaves(tmp_path: Path, plain: str) -> None:
    project = Project(tmp_path / "project", lineup={"workers": 2})
    project.work(first={"after": '"ends", "train", "second"'})
    out = project.lineup()
    began, ended = project.log("begins"), project.log("ends")
    assert ended["second"] < ended["first"], "the first waits for the second: they run at the same time"
    for name in MODELS:
        at_work = [other for other in MODELS if began[other] <= began[name] < ended[other]]
        assert len(at_work) <= 2, at_work
    assert max(ended.values()) < project.log("begins", "report")["all"]
    assert list(ended) != list(MODELS), "they end in another order than dvc.lock has them"
    assert project.lock() == plain
    assert out.count("train of second writes") == 1 and "second | train of second writes" in out.splitlines()
    assert out.count("To track the changes with git") <= 2, "advice is not repeated by each model"
    # a second time there is nothing to do, and DVC is asked once
    project.work()
    assert project.lineup() == "Data and pipelines are up to date.\n"
    assert (project.root / "log").read_text() == ""
    assert "up to date" in project.run("dvc", "repro")


def test_a_failure_is_told_once_and_lets_the_others_end(tmp_path: Path, plain: str) -> None:
    project = Project(tmp_path / "project", lineup={"workers": 2})
    project.work(first={"fails": True}, second={"after": "fails", "seconds": 3})
    out = project.lineup(code=1)
    assert out.count("models.first: is not to be") == 1 and "Traceback" not in out
    last = "error: failed: first; not begun: third; what is done is kept, and `make repro` goes on from there"
    assert out.splitlines()[-1] == last
    assert list(project.log("ends")) == ["second"] and list(project.log("ends", "evaluate")) == ["second"]
    assert project.log("begins", "report") == {}
    project.work()
    project.lineup()
    assert sorted(project.log("begins")) == ["first", "third"]
    assert project.lock() != plain, "what failed was added later"
    assert sorted(project.lock().splitlines()) == sorted(plain.splitlines())


def test_a_signal_reaches_every_training_once_and_the_next_run_goes_on(tmp_path: Path, plain: str) -> None:
    project = Project(tmp_path / "project", lineup={"workers": 2})
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        project.work(first={"seconds": 60}, second={"seconds": 60})
        process = project.begin("python", "-m", "deconfuse.lineup")
        ends = time.monotonic() + 60
        while len(project.log("begins")) < 2:
            assert time.monotonic() < ends and process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, number)
        out = process.communicate(timeout=30)[0]
        assert process.returncode == 128 + number, out
        assert set(project.log("begins")) == set(project.log("stopped")) == {"first", "second"}
        assert [out.count(f"{name} | train {name}: stopped after epoch 1") for name in ("first", "second")] == [1, 1]
        assert out.splitlines()[-1] == "stopped; `make repro` goes on" and "Traceback" not in out
    project.work()
    project.lineup()
    assert project.lock() == plain


def test_one_model_to_train_is_plain_dvc_and_errors_are_its_own(tmp_path: Path) -> None:
    project = Project(tmp_path / "project", lineup={"workers": 1})
    out = project.lineup()
    assert "first | " not in out and "Running stage 'train@first':" in out.splitlines()
    (project.root / "dvc.yaml").write_text("stages: [1]")
    out = project.lineup(code=255)
    assert out.count("'./dvc.yaml' validation failed") == 1 and "Traceback" not in out
    (project.root / "dvc.yaml").write_text(PIPELINE)
    text = (project.root / "params.yaml").read_text()
    (project.root / "params.yaml").write_text(text.replace("workers: 1", "workers: 0").replace("pixels", "words"))
    assert "error: params.yaml has a wrong value\n  lineup.workers: found 0;" in project.lineup(code=1)


def test_the_longest_comes_first_and_the_unknown_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = {name: {"encoders": dict.fromkeys("ab"[:encoders], "cnn")} for name, encoders in zip("vwxyz", (1, 1, 1, 2, 1), strict=True)}
    for name, seconds in {"v": 1.5, "w": 30.0, "z": 99.0}.items():
        Path(f"data/models/{name}").mkdir(parents=True)
        Path(f"data/models/{name}/run.json").write_text(json.dumps({"train_seconds": seconds}))
    changed = {f"train@{name}" for name in "vwxy"} | {f"evaluate@{name}" for name in "wz"} | {"report"}
    jobs = waiting(changed, models)
    assert list(jobs) == ["y", "x", "w", "v", "z"]
    assert jobs["v"] == ["train@v", "evaluate@v"] and jobs["z"] == ["evaluate@z"]


def test_as_many_as_there_are_cores_for_and_one_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deconfuse.lineup.jobs.has_gpu", lambda: False)
    models = {"a": {}, "b": {"train": {"threads": 2}}}
    assert workers(["a"], {"models": models}) == cores()
    assert workers(["a", "b"], {"models": models}) == max(1, cores() // 2)
    assert workers(["a"], {"models": models, "train": {"threads": 4096}}) == 1
    assert workers(["a", "b"], {"models": models, "lineup": {"workers": 7}}) == 7
    monkeypatch.setattr("deconfuse.lineup.jobs.has_gpu", lambda: True)
    assert workers(["a"], {"models": models}) == 1
    assert workers(["a"], {"models": models, "train": {"device": "cpu"}}) == cores()
