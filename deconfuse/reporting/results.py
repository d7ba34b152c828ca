"""What the stages left of each model, read into one record; and the leaderboard made of the records."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import read_json
from deconfuse.reporting.measures import Measure, of

ENDS = ("", "_low", "_high", "_seeds_low", "_seeds_high")


@dataclass(frozen=True)
class Result:
    """One trained and evaluated model.

    `test` and `val` are the figures of metrics.json over seeds and `each` those of each seed, `measure` the main one of them, `run` is
    run.json, `history` one row an epoch of each seed, `kept` the epoch that each seed kept. `predictions` are those of `best_seed`, the
    one with the lowest validation loss: the test rows by id (text columns `actual` and `predicted`, and, where there are classes,
    `confidence` in 0..1). `terms` (S, N, F) is what each test row adds to the measure's sums, with each seed.
    """

    name: str
    modalities: list[str]
    fusion: str | None
    parameters: int
    seeds: list[int]
    best_seed: int
    kept: dict[int, int]
    test: dict[str, Any]
    val: dict[str, Any]
    each: dict[int, dict[str, dict[str, Any]]]
    run: dict[str, Any]
    history: pd.DataFrame
    predictions: pd.DataFrame
    measure: Measure
    terms: np.ndarray

    @property
    def single(self) -> bool:
        """Whether the model sees one modality only."""
        return len(self.modalities) == 1

    @property
    def several(self) -> bool:
        """Whether the model was trained with several seeds."""
        return len(self.seeds) > 1

    @property
    def right(self) -> np.ndarray:
        """bool (N,): which test rows the best seed predicts rightly; numbers are within the root of the mean squared error."""
        if self.measure.is_share:
            return (self.predictions["actual"] == self.predictions["predicted"]).to_numpy()
        return self.terms[self.seeds.index(self.best_seed), :, 1] <= self.each[self.best_seed]["test"][self.measure.key] ** 2

    @property
    def value(self) -> float:
        """The main figure, over seeds."""
        return self.test[self.measure.key]

    @property
    def values(self) -> list[float]:
        """The main figure of each seed."""
        return [self.each[seed]["test"][self.measure.key] for seed in self.seeds]

    @property
    def bounds(self) -> tuple[float, float]:
        """Its 95 % interval over test rows."""
        return self.test[f"{self.measure.key}_low"], self.test[f"{self.measure.key}_high"]

    @property
    def seeds_half(self) -> float | None:
        """Half of its 95 % interval over seeds; None with one seed."""
        high = self.test.get(f"{self.measure.key}_seeds_high")
        return None if high is None else high - self.value


def read(models: list[str], root: Path) -> list[Result]:
    """The results of the named models, best main figure first (then by name).

    Raises UserError where a model is not trained or not evaluated, and where two were evaluated on different rows.
    """
    if not models:
        raise UserError("the report has no model to show; name one under `models:` in params.yaml and run `dvc repro`")
    schema = read_json(root / "data/prepared/schema.json")
    results = [read_one(name, root, schema) for name in models]
    for other in results[1:]:
        if other.measure is not results[0].measure or not other.predictions["actual"].equals(results[0].predictions["actual"]):
            raise UserError(
                f"{results[0].name} and {other.name} were evaluated on different test rows; run `dvc repro` to bring both up to date"
            )
    return sorted(results, key=lambda result: (result.measure.order(result.value), result.name))


def read_one(name: str, root: Path, schema: dict[str, Any]) -> Result:
    """The result of one model."""
    trained, evaluated = root / "data/models" / name, root / "reports/models" / name
    # run.json is written last: without it the training did not end
    require(trained / "run.json", name, "train")
    require(evaluated / "metrics.json", name, "evaluate")
    model, metrics = read_json(trained / "model.json"), read_json(evaluated / "metrics.json")
    measure = of(metrics["test"], str(evaluated / "metrics.json"))
    seeds = sorted(int(seed) for seed in model["seeds"])
    predictions = read_predictions(require(evaluated / "test.csv", name, "evaluate"))
    by_seed = [predictions[predictions["seed"] == str(seed)].drop(columns="seed") for seed in seeds]
    return Result(
        name=name,
        modalities=sorted(metrics["modalities"]),
        fusion=metrics["fusion"],
        parameters=metrics["parameters"],
        seeds=seeds,
        best_seed=model["best_seed"],
        kept={seed: model["seeds"][str(seed)]["best_epoch"] for seed in seeds},
        test=metrics["test"],
        val=metrics["val"],
        each={seed: metrics["seeds"][str(seed)] for seed in seeds},
        run=read_json(trained / "run.json"),
        history=pd.read_csv(require(trained / "history.csv", name, "train")),
        predictions=by_seed[seeds.index(model["best_seed"])],
        measure=measure,
        terms=np.stack([measure.terms(one, schema) for one in by_seed]),
    )


def require(path: Path, name: str, stage: str) -> Path:
    """`path` if it is there; else a UserError that names the stage to run."""
    if not path.is_file():
        raise UserError(f"{path} is missing, so {name!r} cannot be in the report; run `dvc repro {stage}@{name}` (or `dvc repro` for all)")
    return path


def read_predictions(path: Path) -> pd.DataFrame:
    """Predictions of test.csv by id, in the order of the ids, with each seed."""
    wanted = {"seed", "id", "actual", "predicted", "confidence"}
    # read as text without missing values: a class may well be named "NA" or "007"
    # (pandas before 3 makes numbers of an `index_col`)
    table = pd.read_csv(path, dtype=str, keep_default_na=False, usecols=wanted.__contains__).set_index("id")
    table = table.astype({"confidence": float} if "confidence" in table else {})
    return table.sort_index()


def leaderboard(results: list[Result]) -> pd.DataFrame:
    """The columns of leaderboard.csv, one row a model in the order given; accuracies and the like are shares in 0..1, means over seeds.

    `train_seconds` are those of all seeds together.
    """
    rows = [
        {
            "model": result.name,
            "modalities": "+".join(result.modalities),
            "fusion": result.fusion,
            "seeds": len(result.seeds),
            **{f"test_{result.measure.key}{end}": result.test.get(f"{result.measure.key}{end}") for end in ENDS},
            **{f"test_{other}": result.test.get(other) for other in result.measure.others},
            "parameters": result.parameters,
            "train_seconds": result.run["train_seconds"],
        }
        for result in results
    ]
    return pd.DataFrame(rows)


def nested(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """The leaderboard's measures as {model: {measure: value}}, without timings, so that equal models give equal bytes."""
    measures = [column for column in table if column.startswith("test_")] + ["parameters", "seeds"]
    rows = table.set_index("model")[measures].astype(object).to_dict("index")
    return {name: {key: value for key, value in row.items() if pd.notna(value)} for name, row in rows.items()}
