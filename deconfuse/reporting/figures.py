"""The figures of metrics.json: their names on the page, what they mean, and which end of them is good."""

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from deconfuse.reporting.results import Result
from deconfuse.reporting.words import number, percent


@dataclass(frozen=True)
class Figure:
    """One figure of a split, over seeds."""

    key: str
    """Its name in metrics.json, with `<key>_low` and `<key>_high`."""
    name: str
    """Its name on the page."""
    meaning: str
    kind: Literal["share", "score", "number"] = "share"
    """A share is shown in percent, a score with three decimals, a number as the labels' unit needs it."""
    less_is_better: bool = False

    def show(self, value: float) -> str:
        return percent(value) if self.kind == "share" else self.bare(value)

    def bare(self, value: float) -> str:
        """The same without a unit."""
        if self.kind == "number":
            return number(value)
        return f"{100 * value:.1f}" if self.kind == "share" else f"{value:.3f}"

    def best(self, results: list[Result], split: str = "test") -> Result:
        """The model that has the best of a split; of equal ones the first."""
        worst = float("inf") if self.less_is_better else float("-inf")
        return (min if self.less_is_better else max)(results, key=lambda result: getattr(result, split).get(self.key, worst))


ALL = (
    Figure("accuracy", "accuracy", "Share of rows whose class is right."),
    Figure("micro_f1", "micro-F1", "F1 over all decisions, whatever their class."),
    Figure("exact_match", "exact match", "Share of rows all of whose classes are right."),
    Figure("balanced_accuracy", "balanced accuracy", "Mean over the classes that are there of the share of their rows that is right."),
    Figure("macro_precision", "macro precision", "Mean over classes: of the rows said to be of it, the share that are."),
    Figure("macro_recall", "macro recall", "The same over all classes: one without rows counts 0."),
    Figure("macro_f1", "macro-F1", "Mean over classes of the harmonic mean of precision and recall."),
    Figure("mean_average_precision", "mAP", "Mean over classes of the average precision among rows ordered by the class's probability."),
    Figure("auroc", "AUROC", "Chance that a row of a class gets more of its probability than one of the rest; mean over classes."),
    Figure("rmse", "RMSE", "Root of the mean squared error, in the labels' unit.", "number", True),
    Figure("mae", "MAE", "Mean absolute error, in the labels' unit.", "number", True),
    Figure("r2", "R²", "Share of the variance that is explained: 1 is perfect, 0 no better than always saying the mean.", "score"),
    Figure("loss", "log loss", "Mean cross-entropy, nats: what the probability of the truth costs.", "score", True),
    Figure("brier", "Brier score", "Mean squared distance of the probabilities from the truth (Brier 1950).", "score", True),
)


def known(results: list[Result]) -> list[Figure]:
    """Those that some model has."""
    return [figure for figure in ALL if any(figure.key in result.test for result in results)]


def table(results: list[Result]) -> pd.DataFrame:
    """All figures of all models on both splits, one a row, with what is known of how sure they are."""
    ends = ("low", "high", "seeds_low", "seeds_high")
    return pd.DataFrame(
        {
            "model": result.name,
            "split": split,
            "measure": figure.key,
            "value": found[figure.key],
            **{end: found.get(f"{figure.key}_{end}") for end in ends},
            "n": found["n"],
            "seeds": len(result.seeds),
        }
        for result in results
        for split, found in (("test", result.test), ("val", result.val))
        for figure in known(results)
        if figure.key in found
    )
