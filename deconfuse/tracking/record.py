"""What MLflow shall show of one model, read from the files that its stages left."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import digest_json, read_json
from deconfuse.serving import bundle
from deconfuse.tracking.confusion import confusion
from deconfuse.tracking.points import Points, curves, milliseconds, system
from deconfuse.tracking.shown import as_yaml, flatten, leaves, legal, pretty, redact, without_secrets

MODELS = Path("data/models")
EVALUATIONS = Path("reports/models")
KIND_TAG = "deconfuse.kind"
"""`model` of a model's run, `seed` of one of its several seeds', `report` of a report's."""
DIGEST_TAG = "deconfuse.digest"
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
    seeds: dict[str, "Record"]
    """The runs below this one, one a seed; none where the model has a single one."""
    served: Path | None = None
    """The project that has all that the model is served with; None where its code or its data are not those of the training."""


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
        evaluation_files = _files(evaluated)
        if evaluation_files:
            evaluation_files |= confusion(evaluated / "test.csv", about["classes"])
        metrics = read_json(evaluated / "metrics.json") if evaluation_files else {}
        whole = replace(
            outline(run, about),
            evaluation=_digest(evaluated) if evaluation_files else None,
            started=milliseconds(run["started"]),
            ended=milliseconds(run["ended"]),
            curves=system(run.get("system", [])),
            figures=_figures(about, run),
            scores=_scores(metrics),
            files={**_files(folder), "params.json": pretty(redact(run["params"])), **_written(run)},
            evaluation_files=evaluation_files,
            served=root if can_be_served(model, run, root) else None,
        )
        if whole.served is not None:
            # the model has them
            del whole.files[bundle.best_weights(model, root).relative_to(MODELS / model).as_posix()]
        seeds = [_seed(each, run["seeds"][seed], about, metrics, folder / "history.csv") for seed, each in whole.seeds.items()]
        if len(seeds) > 1:
            return replace(whole, seeds=dict(zip(whole.seeds, seeds, strict=True)))
        return replace(whole, seeds={}, curves=seeds[0].curves + whole.curves, figures=seeds[0].figures)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(f"{folder} or {evaluated} is not as the stages write it ({error!r}); remove both and run `dvc repro`") from None


def can_be_served(model: str, run: dict[str, Any], root: Path = Path()) -> bool:
    return bundle.is_of_this_code(run) and (root / bundle.SCHEMA).is_file() and bundle.is_current(model, root)


def outline(run: dict[str, Any], about: dict[str, Any]) -> Record:
    """What is known of a model's training from its first moment on, by a run.json and a model.json without times and results.

    Its `seeds` are there where it has a single one, too.
    """
    params: dict[str, Any] = redact(run["params"])
    seeds: list[str] = sorted(run["seeds"], key=int)
    experiment = run["dvc"]["experiment"]
    whole = Record(
        name=f"{about['name']} ({experiment})" if experiment else about["name"],
        digest=run["digest"],
        evaluation=None,
        started=0,
        ended=0,
        params=flatten(params),
        tags=tags(run, about) | ({"seed": seeds[0]} if len(seeds) == 1 else {"seeds": ", ".join(seeds)}),
        curves=[],
        figures={},
        scores={},
        files={},
        evaluation_files={},
        data=data_set(run),
        seeds={},
    )
    return replace(whole, seeds={seed: _outline_of_seed(whole, seed, params, run["seeds"][seed]["digest"]) for seed in seeds})


def _outline_of_seed(whole: Record, seed: str, params: Any, digest: str) -> Record:
    """Its digest is that of a model of this seed alone; the files are the whole model's."""
    own = {name: value for name, value in whole.tags.items() if name not in ("digest.params", "seeds")}
    return replace(
        whole,
        name=f"{whole.name}, seed {seed}",
        digest=digest,
        params=flatten(params | {"train": params["train"] | {"seeds": [int(seed)]}}),
        tags=own | {KIND_TAG: "seed", DIGEST_TAG: digest, "seed": seed},
    )


def _seed(outline: Record, own: dict[str, Any], about: dict[str, Any], metrics: dict[str, Any], path: Path) -> Record:
    """What belongs to one seed of a model."""
    seed = outline.tags["seed"]
    scores = metrics["seeds"][seed] if metrics else {}
    return replace(
        outline,
        evaluation=digest_json(scores) if scores else None,
        started=milliseconds(own["started"]),
        ended=milliseconds(own["ended"]),
        curves=curves(path, seed, own["epoch_ended"]),
        figures={"training/best_epoch": about["seeds"][seed]["best_epoch"]} | _figures(about, own),
        scores=_scores(scores),
    )


def _figures(about: dict[str, Any], times: dict[str, Any]) -> dict[str, float]:
    """What training cost and made."""
    return {
        "training/parameters": about["parameters"],
        "training/samples_per_second": times["samples_per_second"],
        "training/train_seconds": times["train_seconds"],
    }


def locked(record: Record, lock: dict[str, Any] | None) -> Record:
    """The record with dvc.lock beside its evaluation, but for the stages of other models and of the data; None where DVC did not run it."""
    if lock is None:
        return record
    return replace(record, evaluation_files={**record.evaluation_files, "dvc.lock": as_yaml({"schema": "2.0", "stages": lock})})


def data_set(run: dict[str, Any]) -> tuple[str, str, str]:
    """Name, digest and source of the data that a run.json tells of; MLflow keeps 36 characters of a digest."""
    data = redact(run["params"].get("data", {}))
    return str(data.get("source", "data")), run["digests"]["data"][:36], json.dumps(data, sort_keys=True)


def tags(run: dict[str, Any], about: dict[str, Any]) -> dict[str, str]:
    """What all runs of a model are tagged with; those of MLflow's own names fill the columns that its pages have for them."""
    known = {
        KIND_TAG: "model",
        DIGEST_TAG: run["digest"],
        "model": about["name"],
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


def _scores(metrics: dict[str, Any]) -> dict[str, float]:
    # MLflow draws the charts of one prefix before a slash together
    return {
        f"{split}/{legal(name)}": value
        for split in ("test", "val")
        for name, value in leaves(metrics.get(split, {}))
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
