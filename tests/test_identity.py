"""What a run says of the code that trained it."""

import subprocess
from pathlib import Path

import pytest

from deconfuse.training.identity import git


def make(*words: str) -> None:
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@localhost", *words], check=True, capture_output=True)


@pytest.mark.parametrize("place", [".", "project"])
def test_a_project_is_changed_by_people_and_not_by_dvc(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / place
    root.mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path)
    make("init", "--quiet")
    (root / "params.yaml").write_text("a: 1")
    make("add", "--all")
    make("commit", "--quiet", "--message", "first")
    monkeypatch.chdir(root)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert git() == {"commit": commit, "dirty": False}
    Path("dvc.lock").write_text("stages: {}")
    assert git() == {"commit": commit, "dirty": False}
    (tmp_path / "new.py").write_text("")
    assert git() == {"commit": commit, "dirty": True}
    (tmp_path / "new.py").unlink()
    Path("params.yaml").write_text("a: 2")
    assert git() == {"commit": commit, "dirty": True}


def test_outside_git_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert git() == {"commit": None, "dirty": None}
