"""What MLflow shall show of one model, read from the files that its stages left."""

import csv
import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from deconfuse.errors import UserError
from deconfuse.files import digest_json, read_json
from deconfuse.tracking.confusion import confusion
from deconfuse.tracking.shown import as_yaml, flatten, leaves, legal, pretty, redact, without_secrets

MODELS = Path("data/models")
EVALUATIONS = Path("reports/models")
KIND_TAG = "deconfuse.kind"
"""`model` of a model's run, `seed` of one of its several seeds', `report` of a report's."""
DIGEST_TAG = "deconfuse.digest"
Points = list[tuple[str, float, int, int]]
"""(metric, value, time in milliseconds, epoch)"""
Artifacts = dict[str, Path | str]
"""By their names in the run: a file, or text that stands for one"""


@dataclass(frozen=True)
class Record:
    """The run of a model, or of one of its several seeds. Times are milliseconds since 1970; `evaluation` is a digest, None where the
    model is not evaluated yet."""

    name: str
    digest: str
    evaluation: str | None
    started: int
    ended: int
    params: dict[str, str]
    tags: dict[str, str]
    curves: Points
    figures: dict[str, float]
    """What training cost and made"""
    scores: dict[str, float]
    """`val/...` and `test/...`, of the weights that were kept; of several seeds means and intervals."""
    files: Artifacts
    evaluation_files: Artifacts
    data: tuple[str, str, str]
    """Name, digest and source of the data set"""
    seeds: list["Record"]
    """The runs below this one, one a seed; none where the model has a single one."""


def is_complete(model: str) -> bool:
    """Whether `train` has finished the model: run.json is what it writes last."""
    return (MODELS / model / "run.json").is_file()


def read(model: str, root: Path = Path()) -> Record:
    """Read a trained model's files under `root`, secrets hidden.

    Raises UserError where a file is missing or damaged.
    """
    folder, evaluated = root / MODELS / model, root / EVALUATIONS / model
    try:
        run, about = read_json(folder / "run.json"), read_json(folder / "model.json")
        params = redact(run["params"])
        evaluation_files = _files(evaluated)
        if evaluation_files:
            evaluation_files |= confusion(evaluated / "test.csv", about["classes"])
        metrics = read_json(evaluated / "metrics.json") if evaluation_files else {}
        name = f"{model} ({experiment})" if (experiment := run["dvc"]["experiment"]) else model
        seeds = [str(seed) for seed in sorted(map(int, run["seeds"]))]
        whole = Record(
            name=name,
            digest=run["digest"],
            evaluation=_digest(evaluated) if evaluation_files else None,
            started=_milliseconds(run["started"]),
            ended=_milliseconds(run["ended"]),
            params=flatten(params),
            tags=tags(model, run, about),
            curves=[],
            figures=_figures(about, run),
            scores=_scores(metrics),
            files={**_files(folder), "params.json": pretty(params), **_written(run)},
            evaluation_files=evaluation_files,
            data=data_set(run),
            seeds=[],
        )
        below = [_seed(whole, seed, params, run["seeds"][seed], about, metrics, folder / "history.csv") for seed in seeds]
        if len(seeds) > 1:
            return replace(whole, seeds=below, tags=whole.tags | {"seeds": ", ".join(seeds)})
        tagged = whole.tags | {"seed": seeds[0]}
        return replace(whole, tags=tagged, curves=below[0].curves, figures=below[0].figures)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"{folder} or {evaluated} is not as the stages write it ({error!r}); remove both and run `dvc repro`") from None


def _seed(whole: Record, seed: str, params: Any, own: dict[str, Any], about: dict[str, Any], metrics: dict[str, Any], path: Path) -> Record:
    """What belongs to one seed of a model; its digest is that of a model of this seed alone."""
    scores = metrics["seeds"][seed] if metrics else {}
    tagged = {name: value for name, value in whole.tags.items() if name != "digest.params"}
    return replace(
        whole,
        name=f"{whole.name}, seed {seed}",
        digest=own["digest"],
        evaluation=digest_json(scores) if scores else None,
        started=_milliseconds(own["started"]),
        ended=_milliseconds(own["ended"]),
        params=flatten(params | {"train": params["train"] | {"seeds": [int(seed)]}}),
        tags=tagged | {KIND_TAG: "seed", DIGEST_TAG: own["digest"], "seed": seed},
        curves=_curves(path, seed, own["epoch_ended"]),
        figures={"training/best_epoch": about["seeds"][seed]["best_epoch"]} | _figures(about, own),
        scores=_scores(scores),
        # the files are the model's
        files={},
        evaluation_files={},
    )


def _figures(about: dict[str, Any], times: dict[str, Any]) -> dict[str, float]:
    """What training cost and made."""
    return {
        "training/parameters": about["parameters"],
        "training/samples_per_second": times["samples_per_second"],
        "training/train_seconds": times["train_seconds"],
    }


def locked(record: Record, lock: dict[str, Any] | None) -> Record:
    """The record with dvc.lock beside its files, but for the stages of other models and of the data; None where DVC did not run it."""
    if lock is None:
        return record
    return replace(record, files={**record.files, "dvc.lock": as_yaml({"schema": "2.0", "stages": lock})})


def data_set(run: dict[str, Any]) -> tuple[str, str, str]:
    """Name, digest and source of the data that a run.json tells of; MLflow keeps 36 characters of a digest."""
    data = redact(run["params"].get("data", {}))
    return str(data.get("source", "data")), run["digests"]["data"][:36], json.dumps(data, sort_keys=True)


def tags(model: str, run: dict[str, Any], about: dict[str, Any]) -> dict[str, str]:
    """What all runs of a model are tagged with; those of MLflow's own names fill the columns that its pages have for them."""
    known = {
        KIND_TAG: "model",
        DIGEST_TAG: run["digest"],
        "model": model,
        "modalities": "+".join(about["modalities"]),
        "fusion": about["fusion"],
        "data.source": data_set(run)[0],
        **{f"digest.{part}": digest for part, digest in run["digests"].items()},
        **{f"git.{name}": value for name, value in run["git"].items()},
        **{f"dvc.{name}": value for name, value in run["dvc"].items()},
        **{f"environment.{name}": value for name, value in run["environment"].items()},
        "mlflow.source.name": run["dvc"]["stage"],
        "mlflow.source.git.commit": run["git"]["commit"],
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items() if value is not None}


def _files(folder: Path) -> Artifacts:
    """All files below a folder, but for those that are being written."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    return {path.relative_to(folder).as_posix(): without_secrets(path) for path in paths}


def _digest(folder: Path) -> str:
    return digest_json({name: sha256((folder / name).read_bytes()).hexdigest() for name in _files(folder)})


def _written(run: dict[str, Any]) -> Artifacts:
    """params.yaml as it was; trainings of an earlier version did not note it."""
    return {"params.yaml": as_yaml(run["written"])} if "written" in run else {}


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _curves(path: Path, seed: str, epoch_ended: list[float]) -> Points:
    with path.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["seed"] == seed]
    return [point for row, ended in zip(rows, epoch_ended, strict=True) for point in points(row, ended)]


def points(row: dict[str, Any], ended: float) -> Points:
    """A row of the history as metrics at the time (unix seconds) at which its epoch was done."""
    return [
        ("/".join(map(legal, name.split("/"))), float(value), _milliseconds(ended), int(row["epoch"]))
        for name, value in row.items()
        if name not in ("seed", "epoch") and value != ""
    ]


def _scores(metrics: dict[str, Any]) -> dict[str, float]:
    # MLflow draws the charts of one prefix before a slash together
    return {
        f"{split}/{legal(name)}": value
        for split in ("test", "val")
        for name, value in leaves(metrics.get(split, {}))
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
