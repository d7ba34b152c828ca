"""A temporary clone of the project, driven as a user would: by editing params.yaml and running commands."""

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str

    @property
    def ran(self) -> list[str]:
        """The stages that DVC ran, in order."""
        return re.findall(r"^Running stage '([^']+)'", self.out, re.MULTILINE)


@dataclass(frozen=True)
class Clone:
    """A folder with the project's files, uncommitted edits included, as one commit of its own repository."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> "Clone":
        for name in git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0"):
            if name and name != "dvc.lock" and (ROOT / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, root / name)
        git(root, "init", "--quiet")
        clone = cls(root)
        clone.commit("start")
        return clone

    def commit(self, message: str) -> None:
        git(self.root, "add", "--all")
        git(self.root, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--allow-empty", "-m", message)

    def run(self, *words: str, code: int | None = 0, **variables: str) -> Done:
        """Run a command of the environment, with more `variables` in it; `code` is the exit status it must have (None: any)."""
        return self.wait(self.begin(*words, **variables), code)

    def begin(self, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        """Start a command of the environment, in a process group of its own."""
        bin_folder = Path(sys.executable).parent
        # nothing of an outer run of DVC or MLflow may reach it; one thread, for these machines are shared
        outer = {key: value for key, value in os.environ.items() if not key.startswith(("DVC_", "MLFLOW_"))}
        environment = outer | {"PATH": f"{bin_folder}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(self.root)}
        out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(words, cwd=self.root, env=environment | variables, start_new_session=True, **out)

    def wait(self, process: "subprocess.Popen[bytes]", code: int | None = 0) -> Done:
        """Wait for a command's end."""
        # decoded here: `text=True` would turn a progress bar's lone carriage returns into new lines
        out = process.communicate(timeout=900)[0].decode()
        assert code is None or process.returncode == code, f"{process.args} ended with {process.returncode}:\n{out}"
        return Done(process.returncode, out)

    def edit(self, changes: dict[str, Any]) -> None:
        """Set dotted keys of params.yaml; ... takes one out."""
        yaml, path = YAML(), self.root / "params.yaml"
        values = yaml.load(path)
        for key, value in changes.items():
            place = values
            *way, last = key.split(".")
            for step in way:
                place = place.setdefault(step, {})
            if value is ...:
                del place[last]
            else:
                place[last] = value
        yaml.dump(values, path)


def runs(root: Path) -> list[tuple[str, str]]:
    """(model, epochs) of every finished run in a project's MLflow store, sorted."""
    with sqlite3.connect(f"file:{root / 'mlflow.db'}?mode=ro", uri=True) as store:
        query = """SELECT tags.value, params.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid AND tags.key = 'model'
            JOIN params ON params.run_uuid = runs.run_uuid AND params.key = 'train.epochs' WHERE runs.status = 'FINISHED'"""
        return sorted(store.execute(query).fetchall())
