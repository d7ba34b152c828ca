"""The baselines that any model must beat, measured on the rows that the models were measured on."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from deconfuse.baselines import Baseline
from deconfuse.baselines._reduced import reduced
from deconfuse.baselines._rows import Rows, read
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import read_json
from deconfuse.kernel.lookup import part
from deconfuse.metrics import Figures, Metrics
from deconfuse.params.report import Report
from deconfuse.reporting.measures import Measure
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import joined

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Rival:
    """A baseline that has learnt."""

    title: str
    modalities: tuple[str, ...]
    """() where it looks at none."""
    setting: str
    """What validation chose, in words."""
    trained: int
    """Train rows that it has learnt from."""
    val: float
    """Its main figure on the validation rows."""
    value: float
    """Its main figure on the test rows."""
    test: Figures
    """All figures on them."""
    bounds: tuple[float, float]
    """Of the main figure's 95 % interval over test rows."""
    terms: np.ndarray
    """(1, N, F): what each test row adds to the measure's sums."""
    rows: np.ndarray
    """Which test rows they are, as places in the models' results."""

    @property
    def name(self) -> str:
        return f"{self.title} of {joined(list(self.modalities))}" if self.modalities else self.title


class Ground:
    """The data that baselines learn from and are measured on."""

    def __init__(self, root: Path, schema: dict[str, Any], options: Report) -> None:
        known = sorted(schema["modalities"])
        self.root, self.schema, self.seed, self.resamples = root, schema, options.seed, options.bootstrap
        self.rows = {split: read(root, split, known, options.baseline_rows, options.seed) for split in SPLITS}
        self.features: dict[str, dict[str, np.ndarray]] = {}

    @cached_property
    def target(self) -> np.ndarray:
        """Of the train rows: (N, K), 1 for the classes that a row has, or (N, 1) numbers."""
        found = self.rows["train"].target
        if self.schema["task"] in ("single_label", "binary"):
            return np.eye(len(self.schema["classes"]))[found]
        return found.reshape(len(found), -1).astype(float)

    def x(self, split: str, modalities: Iterable[str]) -> np.ndarray:
        """The features of some modalities side by side."""
        return np.concatenate([self.of(modality)[split] for modality in modalities] or [np.zeros((len(self.rows[split].ids), 0))], 1)

    def of(self, modality: str) -> dict[str, np.ndarray]:
        """By split the features of one modality."""
        if modality not in self.features:
            spec = read_json(self.root / "data/embedded/spec" / f"{modality}.json")
            train = self.rows["train"]
            change = reduced(train.values(modality, spec["layout"]), train.present[modality], spec["vocabulary"], self.seed)
            # one split after another: samples may be large
            self.features[modality] = {
                split: change(rows.values(modality, spec["layout"]), rows.present[modality]) for split, rows in self.rows.items()
            }
        return self.features[modality]


def measured(results: list[Result], options: Report, root: Path, schema: dict[str, Any]) -> list[Rival]:
    """Each baseline of `options`, for each modality of the line-up alone, all together, and each set of modalities that a model reads.

    Raises UserError where the data are not those that the models were evaluated on.
    """
    if not options.baselines:
        return []
    from threadpoolctl import threadpool_limits

    every = tuple(sorted({modality for result in results for modality in result.modalities}))
    read_by_some = {*((modality,) for modality in every), *(tuple(result.modalities) for result in results), every}
    sets = sorted(read_by_some, key=lambda modalities: (len(modalities), modalities))
    found = []
    # equal bytes on any number of cores, and matrices this small gain nothing by a second one
    with threadpool_limits(1):
        ground = Ground(root, schema, options)
        places = placed(results[0], ground.rows["test"])
        for chosen in options.baselines:
            baseline: Baseline = part("baselines", chosen.name)(**chosen.arguments())
            found += [one(baseline, modalities, ground, results[0].measure, places) for modalities in (sets if baseline.reads else [()])]
    return found


def placed(result: Result, rows: Rows) -> np.ndarray:
    """Where a model's results have these test rows. Raises UserError."""
    places = result.predictions.index.get_indexer(rows.ids)
    if (places < 0).any() or len(result.predictions) != rows.total:
        raise UserError(f"{result.name} was evaluated on other rows than data/prepared/test has; run `dvc repro` to bring both up to date")
    return places


def one(baseline: Baseline, modalities: tuple[str, ...], ground: Ground, measure: Measure, places: np.ndarray) -> Rival:
    """A baseline of some modalities, its setting chosen by the validation rows' main figure (the first of equals)."""
    facts, task = ground.schema, ground.schema["task"]
    metrics: Metrics = part("metrics", task)()
    predict = baseline.fit(ground.x("train", modalities), ground.target, task)

    def answers(split: str) -> dict[str, np.ndarray]:
        return {setting: said[:, 0] if task == "regression" else said for setting, said in predict(ground.x(split, modalities))}

    goal, val = ground.rows["val"].target, {}
    for setting, said in answers("val").items():
        val[setting] = float(metrics.figure(metrics.terms(goal, said).sum(0, keepdims=True))[0])
    setting = min(val, key=lambda setting: measure.order(val[setting]))
    target, said = ground.rows["test"].target, answers("test")[setting]
    table = pd.DataFrame([row[:2] for row in metrics.rows(target, said, facts)], columns=["actual", "predicted"])
    figures = metrics.figures(target, said)
    return Rival(
        title=baseline.title(task),
        modalities=modalities,
        setting=setting,
        trained=len(ground.target),
        val=val[setting],
        value=figures[metrics.main],
        test=figures,
        bounds=metrics.bounds(metrics.parts(target, said)[None], ground.resamples)[metrics.main],
        terms=measure.terms(table, facts)[None],
        rows=places,
    )


def best(rivals: list[Rival], modalities: Iterable[str], measure: Measure) -> Rival | None:
    """Of those that read just these modalities or none, the best by the validation rows; of equals the one that reads none."""
    fitting = [rival for rival in rivals if rival.modalities in ((), tuple(modalities))]
    return min(fitting, key=lambda rival: (measure.order(rival.val), len(rival.modalities)), default=None)


def table(rivals: list[Rival], measure: Measure) -> pd.DataFrame:
    """The columns of baselines.csv, one row a baseline."""
    return pd.DataFrame(
        [
            {
                "baseline": rival.title,
                "modalities": "+".join(rival.modalities),
                "chosen": rival.setting,
                "train_rows": rival.trained,
                "test_rows": len(rival.rows),
                f"val_{measure.key}": rival.val,
                f"test_{measure.key}": rival.value,
                f"test_{measure.key}_low": rival.bounds[0],
                f"test_{measure.key}_high": rival.bounds[1],
                **{f"test_{other}": rival.test.get(other) for other in measure.others},
            }
            for rival in rivals
        ]
    )
