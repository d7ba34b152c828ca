"""What the stages left of each model, read into one record; and the leaderboard made of the records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deconfuse.errors import UserError
from deconfuse.files import read_json


@dataclass(frozen=True)
class Result:
    """One trained and evaluated model.

    `test` and `val` are the measures of metrics.json, `run` is run.json, `history` one row an epoch, `predictions` the test rows by id
    (text columns `actual` and `predicted`, and `confidence` in 0..1).
    """

    name: str
    modalities: list[str]
    fusion: str | None
    parameters: int
    best_epoch: int
    test: dict[str, Any]
    val: dict[str, Any]
    run: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame

    @property
    def single(self) -> bool:
        """Whether the model sees one modality only."""
        return len(self.modalities) == 1

    @property
    def right(self) -> np.ndarray:
        """bool (N,): which test rows are predicted rightly."""
        return (self.predictions["actual"] == self.predictions["predicted"]).to_numpy()


def read(models: list[str], root: Path) -> list[Result]:
    """The results of the named models, best test accuracy first (then by name).

    Raises UserError where a model is not trained or not evaluated, and where two were evaluated on different rows.
    """
    if not models:
        raise UserError("the report has no model to show; name one under `models:` in params.yaml and run `dvc repro`")
    results = [read_one(name, root) for name in models]
    for other in results[1:]:
        if not other.predictions["actual"].equals(results[0].predictions["actual"]):
            raise UserError(
                f"{results[0].name} and {other.name} were evaluated on different test rows; run `dvc repro` to bring both up to date"
            )
    return sorted(results, key=lambda result: (-result.test["accuracy"], result.name))


def read_one(name: str, root: Path) -> Result:
    """The result of one model."""
    trained, evaluated = root / "data/models" / name, root / "reports/models" / name
    # run.json is written last: without it the training did not end
    require(trained / "run.json", name, "train")
    require(evaluated / "metrics.json", name, "evaluate")
    model, metrics = read_json(trained / "model.json"), read_json(evaluated / "metrics.json")
    return Result(
        name=name,
        modalities=sorted(metrics["modalities"]),
        fusion=metrics["fusion"],
        parameters=metrics["parameters"],
        best_epoch=model["best_epoch"],
        test=metrics["test"],
        val=metrics["val"],
        run=read_json(trained / "run.json"),
        history=pd.read_csv(require(trained / "history.csv", name, "train")),
        predictions=read_predictions(require(evaluated / "test.csv", name, "evaluate")),
    )


def require(path: Path, name: str, stage: str) -> Path:
    """`path` if it is there; else a UserError that names the stage to run."""
    if not path.is_file():
        raise UserError(f"{path} is missing, so {name!r} cannot be in the report; run `dvc repro {stage}@{name}` (or `dvc repro` for all)")
    return path


def read_predictions(path: Path) -> pd.DataFrame:
    """Predictions of test.csv by id, in the order of the ids."""
    # read as text without missing values: a class may well be named "NA" or "007"
    table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col="id", usecols=["id", "actual", "predicted", "confidence"])
    return table.assign(confidence=table["confidence"].astype(float)).sort_index()


def leaderboard(results: list[Result]) -> pd.DataFrame:
    """The columns of leaderboard.csv, one row a model in the order given; accuracies are shares in 0..1."""
    rows = [
        {
            "model": result.name,
            "modalities": "+".join(result.modalities),
            "fusion": result.fusion,
            "test_accuracy": result.test["accuracy"],
            "test_accuracy_low": result.test["accuracy_low"],
            "test_accuracy_high": result.test["accuracy_high"],
            "test_macro_f1": result.test["macro_f1"],
            "parameters": result.parameters,
            "train_seconds": result.run["train_seconds"],
        }
        for result in results
    ]
    return pd.DataFrame(rows)


def nested(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The leaderboard's measures as {model: {measure: value}}, without timings, so that equal models give equal bytes."""
    measures = [column for column in table if column.startswith("test_")] + ["parameters"]
    return table.set_index("model")[measures].astype(object).to_dict("index")
