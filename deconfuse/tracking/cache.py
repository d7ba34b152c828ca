"""What DVC's cache still knows of trainings whose files are no longer in the working folder.

DVC keeps a record of every run of a stage (`runs/` in its cache: hashes of what the command read and wrote) and the files
themselves. So the runs of a lost store can be drawn again, those of other params, experiments and worktrees included.
"""

import json
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deconfuse.serving import bundle
from deconfuse.tracking.place import copies

LINE = re.compile(r"- path: (\S+)\n  hash: md5\n  md5: ([0-9a-f]+(?:\.dir)?)\n")
REPORT = "reports/runs.json"
RAW, SOURCE = "data/raw", "data/raw/source.json"
MADE = re.compile(r"^(data/models|reports/models)/([^/]+)/")


@dataclass(frozen=True)
class Entry:
    """One run of a stage: its record, and the hashes of what it read and wrote by path."""

    path: Path
    cache: Path
    read: dict[str, str]
    wrote: dict[str, str]

    @property
    def made(self) -> float:
        """When, in unix seconds."""
        return self.path.stat().st_mtime

    @property
    def facts(self) -> dict[str, str]:
        """What describes the data that it read, as far as the cache has it."""
        found = {path: digest for path, digest in self.read.items() if path == bundle.SCHEMA.as_posix()}
        return {path: digest for path, digest in found.items() if stored(self.cache, digest).is_file()}

    def object(self, name: str) -> Path:
        """Where the cache keeps an output; for a folder's it is the list of its files."""
        return stored(self.cache, self.wrote[name])


@dataclass(frozen=True)
class Past:
    """One training that DVC remembers, with its last evaluation where there is one."""

    model: str
    digest: str
    started: float
    trained: Entry
    evaluated: Entry | None
    can_be_served: bool

    @property
    def entries(self) -> list[Entry]:
        return [self.trained, *([self.evaluated] if self.evaluated else [])]

    def lock(self) -> dict[str, Any]:
        """Its entries of dvc.lock."""
        from ruamel.yaml import YAML

        safe = YAML(typ="safe", pure=True)
        stages = zip(("train", "evaluate"), self.entries, strict=False)
        return {f"{stage}@{self.model}": safe.load(entry.path) for stage, entry in stages}


@contextmanager
def files(entries: list[Entry], more: dict[str, Path] | None = None) -> Generator[Path]:
    """A temporary folder in which what these wrote, the facts of their data, and more files by their places, lie as they lay in the
    project, as links into the cache."""
    with TemporaryDirectory(prefix="deconfuse-") as name:
        root = Path(name)
        known = [(entry, *item) for entry in entries for item in (entry.facts | entry.wrote).items()]
        links = dict(leaf for entry, path, digest in known for leaf in leaves(entry.cache, path, digest)) | (more or {})
        for place, content in links.items():
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            (root / place).symlink_to(content)
        yield root


def source(report: Entry) -> dict[str, Path]:
    """Where the cache has the source.json of the data that a report showed; empty where it is gone."""
    digest = report.read.get(RAW)
    if digest is None or not stored(report.cache, digest).is_file():
        return {}
    return {path: content for path, content in leaves(report.cache, RAW, digest) if path == SOURCE and content.is_file()}


def remembered(root: Path) -> list[Entry]:
    """All runs of stages that DVC remembers of the project at `root`, earliest first."""
    return sorted((entry for folder in copies(root) for entry in entries_of(cache_folder(folder))), key=lambda entry: entry.made)


def reports(entries: list[Entry]) -> list[Entry]:
    """Those of the report, as far as their files are there."""
    return [entry for entry in entries if REPORT in entry.wrote and is_there(entry)]


def past(entries: list[Entry]) -> list[Past]:
    """The complete trainings among them whose files are there; the earliest of each digest."""
    evaluations = [entry for entry in entries if model_of(entry, "reports/models")]
    found: dict[str, Past] = {}
    for entry in entries:
        one = training(entry, evaluations)
        if one is not None and (one.digest not in found or one.started < found[one.digest].started):
            found[one.digest] = one
    return sorted(found.values(), key=lambda one: one.started)


def training(entry: Entry, evaluations: list[Entry]) -> Past | None:
    """A run of a stage as a training; None where it is none, or its files are gone."""
    model = model_of(entry, "data/models")
    if model is None or not is_there(entry):
        return None
    run = json.loads(entry.object(f"data/models/{model}/run.json").read_bytes())
    fitting = [one for one in evaluations if model_of(one, "reports/models") == model and fits(one, entry) and is_there(one)]
    can_be_served = bundle.is_of_this_code(run) and bool(entry.facts)
    return Past(model, run["digest"], run["started"], entry, fitting[-1] if fitting else None, can_be_served)


def fits(evaluation: Entry, trained: Entry) -> bool:
    """Whether an evaluation was one of this training: what both know of the data and the model is the same."""
    known = trained.read | trained.wrote
    return all(known.get(path, digest) == digest for path, digest in evaluation.read.items() if path.startswith("data/"))


def model_of(entry: Entry, folder: str) -> str | None:
    """The model that a run of a stage left in this folder."""
    names = {found[2] for path in entry.wrote if (found := MADE.match(path)) and found[1] == folder}
    complete = folder != "data/models" or any(path.endswith("/run.json") for path in entry.wrote)
    return names.pop() if len(names) == 1 and complete else None


def is_there(entry: Entry) -> bool:
    """Whether the cache has all files of a run; `dvc gc` deletes files and leaves the record."""
    return all(
        stored(entry.cache, digest).is_file() and all(content.is_file() for _, content in leaves(entry.cache, path, digest))
        for path, digest in entry.wrote.items()
    )


def leaves(cache: Path, path: str, digest: str) -> list[tuple[str, Path]]:
    """The files of an output, and where the cache has each."""
    if not digest.endswith(".dir"):
        return [(path, stored(cache, digest))]
    return [(f"{path}/{one['relpath']}", stored(cache, one["md5"])) for one in json.loads(stored(cache, digest).read_bytes())]


def stored(cache: Path, digest: str) -> Path:
    return cache / "files/md5" / digest[:2] / digest[2:]


def entries_of(cache: Path) -> list[Entry]:
    """The runs of train, evaluate and report that a cache has a record of."""
    found = []
    for path in sorted((cache / "runs").glob("??/*/*")):
        # a YAML parser takes a hundred times as long
        read, _, wrote = path.read_text(encoding="utf-8").partition("\nouts:\n")
        if wrote.startswith(("- path: data/models/", "- path: reports/")):
            found.append(Entry(path, cache, dict(LINE.findall(read)), dict(LINE.findall(f"{wrote}\n"))))
    return found


def cache_folder(root: Path) -> Path:
    """Where the project at `root` keeps DVC's cache, by all levels of DVC's configuration."""
    from dvc.config import Config

    folder = Config(str(root / ".dvc")).get("cache", {}).get("dir") if (root / ".dvc").is_dir() else None
    return root / ".dvc/cache" if folder is None else Path(folder)
