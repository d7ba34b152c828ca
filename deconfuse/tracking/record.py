"""What MLflow shall show of one model, read from the files that its stages left."""

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deconfuse.errors import UserError
from deconfuse.files import digest_json, read_json

MODELS = Path("data/models")
EVALUATIONS = Path("reports/models")
MODEL_TEXTS = ("model.json", "history.csv", "run.json")
EVALUATION_TEXTS = ("metrics.json", "test.csv", "val.csv")
HIDDEN = "(hidden)"
# a number under `max_tokens` or `bandpass` is a setting, a word under `token` is not
SECRET_WORD = re.compile(r"pass|pwd|token|secret|credential|(api|access|private)[_-]?key|authorization", re.IGNORECASE)
SECRET_NUMBER = re.compile(r"passw|pwd|secret|credential|(api|access|private)[_-]?key", re.IGNORECASE)
LONGEST = 6000
"""Characters of a param that MLflow keeps."""


@dataclass(frozen=True)
class Record:
    """One model's run. Times are milliseconds since 1970; `evaluation` is a digest, None where the model is not evaluated yet."""

    name: str
    digest: str
    evaluation: str | None
    started: int
    ended: int
    params: dict[str, str]
    tags: dict[str, str]
    curves: list[tuple[str, float, int, int]]
    """(metric, value, time, epoch)"""
    figures: dict[str, float]
    """What training cost and made"""
    scores: dict[str, float]
    """`val/...` and `test/...`, of the weights that were kept"""
    texts: dict[str, str]
    evaluation_texts: dict[str, str]
    weights: Path


def is_complete(model: str) -> bool:
    """Whether `train` has finished the model: run.json is what it writes last."""
    return (MODELS / model / "run.json").is_file()


def read(model: str) -> Record:
    """Read a trained model's files under the current folder, secrets hidden.

    Raises UserError where a file is missing or damaged.
    """
    folder = MODELS / model
    try:
        run, about = read_json(folder / "run.json"), read_json(folder / "model.json")
        evaluation_texts = _texts(EVALUATIONS / model, EVALUATION_TEXTS) if (EVALUATIONS / model).is_dir() else {}
        params = redact(run["params"])
        return Record(
            name=f"{model} ({experiment})" if (experiment := run["dvc"]["experiment"]) else model,
            digest=run["digest"],
            evaluation=digest_json(evaluation_texts) if evaluation_texts else None,
            started=_milliseconds(run["started"]),
            ended=_milliseconds(run["ended"]),
            params=flatten(params),
            tags=_tags(model, run, about),
            curves=_curves(folder / "history.csv", run["epoch_ended"]),
            figures={
                "training/best_epoch": about["best_epoch"],
                "training/parameters": about["parameters"],
                "training/samples_per_second": run["samples_per_second"],
                "training/train_seconds": run["train_seconds"],
            },
            scores=_scores(evaluation_texts),
            texts={**_texts(folder, MODEL_TEXTS), "params.json": _pretty(params)},
            evaluation_texts=evaluation_texts,
            weights=folder / "weights.safetensors",
        )
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(
            f"{folder} or {EVALUATIONS / model} is not as the stages write it ({error!r}); remove both and run `dvc repro`"
        ) from None


def redact(value: Any, key: str = "") -> Any:
    """A copy of a JSON value without the passwords, tokens and keys that its key names or a URL holds."""
    if isinstance(value, dict):
        return {name: redact(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [redact(item, key) for item in value]
    if isinstance(value, str):
        return HIDDEN if SECRET_WORD.search(key) else re.sub(r"(?<=://)[^/@\s]+@", f"{HIDDEN}@", value)
    return HIDDEN if value is not None and SECRET_NUMBER.search(key) else value


def flatten(values: dict[str, Any]) -> dict[str, str]:
    """Nested params as MLflow takes them: dotted legal names, text of at most 6000 characters."""
    flat: dict[str, str] = {}
    for key, value in _leaves(values):
        name = _legal(key)
        while name in flat:
            name += "_"
        flat[name] = _shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return flat


def _leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in sorted(values.items()):
        leaves += _leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [(f"{prefix}{key}", value)]
    return leaves


def _legal(name: str) -> str:
    # a slash is legal too, but not where MLflow would take the name for a path such as a/../b
    return re.sub(r"[^\w.\- ]", "_", name)[:200]


def _shortened(text: str) -> str:
    note = f" ... [{len(text)} characters in all]"
    return text if len(text) <= LONGEST else text[: LONGEST - len(note)] + note


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _pretty(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def _texts(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    return {name: _text(folder / name) for name in names}


def _text(path: Path) -> str:
    """A file's own text, but for secrets in JSON."""
    text = path.read_bytes().decode("utf-8")
    if path.suffix != ".json":
        return text
    value = json.loads(text)
    return text if redact(value) == value else _pretty(redact(value))


def _curves(path: Path, epoch_ended: list[float]) -> list[tuple[str, float, int, int]]:
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        (_legal(name), float(value), _milliseconds(ended), int(row["epoch"]))
        for row, ended in zip(rows, epoch_ended, strict=True)
        for name, value in row.items()
        if name != "epoch" and value != ""
    ]


def _scores(texts: dict[str, str]) -> dict[str, float]:
    metrics = json.loads(texts["metrics.json"]) if texts else {}
    # MLflow draws the charts of one prefix before a slash together
    return {
        f"{split}/{_legal(name)}": value
        for split in ("test", "val")
        for name, value in _leaves(metrics.get(split, {}))
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _tags(model: str, run: dict[str, Any], about: dict[str, Any]) -> dict[str, str]:
    """The run's tags; those of MLflow's own names fill the columns that its pages have for them."""
    known = {
        "model": model,
        "modalities": "+".join(about["modalities"]),
        "fusion": about["fusion"],
        "seed": run["seed"],
        "deconfuse.digest": run["digest"],
        **{f"digest.{part}": digest for part, digest in run["digests"].items()},
        **{f"git.{name}": value for name, value in run["git"].items()},
        **{f"dvc.{name}": value for name, value in run["dvc"].items()},
        **{f"environment.{name}": value for name, value in run["environment"].items()},
        "mlflow.source.name": run["dvc"]["stage"],
        "mlflow.source.git.commit": run["git"]["commit"],
    }
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in known.items() if value is not None}
