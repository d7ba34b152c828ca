"""A cache of DVC, written as DVC writes it: files by their hashes, and a record of every run of a stage."""

import hashlib
import json
import os
from pathlib import Path


def keep(root: Path, content: bytes, ending: str = "") -> str:
    """Put a file into the cache of the project at `root`; returns its hash."""
    digest = hashlib.md5(content).hexdigest() + ending
    path = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return digest


def keep_path(root: Path, place: str) -> str:
    """Put a file or folder of the project into its cache."""
    path = root / place
    if path.is_file():
        return keep(root, path.read_bytes())
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    listed = [{"md5": keep(root, file.read_bytes()), "relpath": file.relative_to(path).as_posix()} for file in files]
    return keep(root, json.dumps(listed).encode(), ".dir")


def remember(root: Path, command: str, read: list[str], wrote: list[str], at: float) -> None:
    """Keep what a stage wrote and read, and record that it was run at a time (unix seconds)."""

    def entries(places: list[str]) -> str:
        return "".join(f"- path: {place}\n  hash: md5\n  md5: {keep_path(root, place)}\n  size: 1\n" for place in sorted(places))

    text = f"cmd: {command}\ndeps:\n{entries(read)}params:\n  params.yaml:\n    train:\n      seeds:\n      - 0\nouts:\n{entries(wrote)}"
    key = hashlib.sha256(f"{command} {entries(read)}".encode()).hexdigest()
    path = root / ".dvc/cache/runs" / key[:2] / key / hashlib.sha256(text.encode()).hexdigest()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (at, at))


FACTS = "data/prepared/schema.json"


def remember_models(root: Path, models: list[str], at: float) -> None:
    """The trainings and evaluations of these models."""
    for place, model in enumerate(models):
        trained, evaluated = (
            [f"{folder}/{model}/{path.name}" for path in (root / folder / model).iterdir()] for folder in ("data/models", "reports/models")
        )
        remember(root, f"python -m stages.train {model}", [FACTS], trained, at + 2 * place)
        remember(
            root,
            f"python -m stages.evaluate {model}",
            [FACTS, f"data/models/{model}/seeds", f"data/models/{model}/model.json"],
            evaluated,
            at + 2 * place + 1,
        )


def remember_report(root: Path, at: float) -> None:
    report = [f"reports/{name.name}" for name in sorted((root / "reports").iterdir()) if name.name != "models"]
    remember(root, "python -m stages.report", [FACTS, "data/raw", "data/models", "reports/models"], report, at)
