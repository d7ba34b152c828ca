"""What the report compares models by, and how it says it: one measure for each main figure that metrics.json can have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from deconfuse.kernel.errors import UserError
from deconfuse.reporting.words import number, percent, points, signed

Schema = dict[str, Any]
RESAMPLED_AT_ONCE = 2_000_000
"""Counts held at a time: 16 MB."""


@dataclass(frozen=True)
class Measure:
    """The main figure of a task."""

    key: str
    """Its name in metrics.json, with `<key>_low` and `<key>_high`."""
    name: str
    """Its name on the page."""
    method: str
    """How its interval was made."""
    others: dict[str, str]
    """Further figures of the leaderboard: name in metrics.json -> name on the page."""
    learnt: str
    """What history.csv calls the measure it logs."""
    learnt_name: str
    loss_unit: str
    """With a space before it."""
    is_share: bool
    """Whether it is a share in 0..1, shown in percent; else a number in the labels' unit."""
    less_is_better: bool
    right: str
    """What the gallery says that every fusion, or else every model, does on a row."""
    terms: Callable[[pd.DataFrame, Schema], np.ndarray]
    """What each test row adds to the sums (N, F) that the figure is made of."""
    figure: Callable[[np.ndarray], np.ndarray]
    """From sums (..., F) to the figure (...)."""

    def show(self, value: float) -> str:
        return percent(value) if self.is_share else number(value)

    def bare(self, value: float) -> str:
        """The same without a unit."""
        return f"{100 * value:.1f}" if self.is_share else number(value)

    def span(self, low: float, high: float) -> str:
        return f"{self.bare(low)} to {self.bare(high)}"

    def gain(self, value: float) -> str:
        """A difference with its sign, in points where it is of shares."""
        return points(value) if self.is_share else signed(value)

    def gains(self, low: float, high: float) -> str:
        """The interval of a difference: "+9.1 to +16.2"."""
        return f"{self.gain(low)} to {self.gain(high)}"

    def amount(self, size: float) -> str:
        """A difference without its sign: "12.7 points"."""
        return f"{100 * size:.1f} points" if self.is_share else number(size)

    def within(self, half: float) -> str:
        """Half of an interval: "± 2.1"."""
        return f"\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{self.bare(half)}"

    def order(self, value: float) -> float:
        """Smallest first is best first."""
        return value if self.less_is_better else -value

    def differences(self, one: np.ndarray, other: np.ndarray, resamples: int, seed: int) -> np.ndarray:
        """Of `one` from `other` (terms (S, N, F) over the same rows), means over seeds, in resamples of the rows, paired (Efron 1979)."""
        draw, both, rows = np.random.default_rng(seed), np.concatenate([one, other]), one.shape[1]
        flat = both.swapaxes(0, 1).reshape(rows, -1)
        step = max(1, RESAMPLED_AT_ONCE // rows)
        sizes = [min(step, resamples - start) for start in range(0, resamples, step)]
        sums = np.concatenate([draw.multinomial(rows, np.full(rows, 1 / rows), size=size) @ flat for size in sizes])
        figures = self.figure(sums.reshape(resamples, *both.shape[::2]))
        return figures[:, : len(one)].mean(1) - figures[:, len(one) :].mean(1)


def right(predictions: pd.DataFrame, schema: Schema) -> np.ndarray:
    """1, and whether the row is right."""
    return np.stack([np.ones(len(predictions)), predictions["actual"] == predictions["predicted"]], 1).astype(float)


def overlap(predictions: pd.DataFrame, schema: Schema) -> np.ndarray:
    """The classes that are there or predicted, and twice those that are both."""
    sets = [[set(filter(None, cell.split(schema["separator"]))) for cell in predictions[column]] for column in ("actual", "predicted")]
    return np.array([[len(a) + len(p), 2 * len(a & p)] for a, p in zip(*sets, strict=True)], float)


def squared(predictions: pd.DataFrame, schema: Schema) -> np.ndarray:
    """1, and the squared error."""
    error = (predictions["predicted"].astype(float) - predictions["actual"].astype(float)).to_numpy()
    return np.stack([np.ones(len(error)), error**2], 1)


def ratio(sums: np.ndarray) -> np.ndarray:
    return sums[..., 1] / sums[..., 0]


ALL = (
    Measure(
        "accuracy",
        "accuracy",
        "Wilson",
        {"macro_f1": "macro-F1"},
        "accuracy",
        "accuracy",
        " nats",
        is_share=True,
        less_is_better=False,
        right="has it right",
        terms=right,
        figure=ratio,
    ),
    Measure(
        "micro_f1",
        "micro-F1",
        "bootstrap",
        {"macro_f1": "macro-F1", "mean_average_precision": "mean average precision"},
        "exact_match",
        "exact match",
        " nats",
        is_share=True,
        less_is_better=False,
        right="has all its classes right",
        terms=overlap,
        figure=ratio,
    ),
    Measure(
        "rmse",
        "RMSE",
        "bootstrap",
        {"mae": "MAE", "r2": "R²"},
        "mae",
        "MAE",
        "",
        is_share=False,
        less_is_better=True,
        right="is off by no more than its RMSE",
        terms=squared,
        figure=lambda sums: np.sqrt(ratio(sums)),
    ),
)


def of(figures: dict[str, Any], path: str) -> Measure:
    """The measure that a split's figures have. Raises UserError where they have none."""
    found = next((measure for measure in ALL if measure.key in figures), None)
    if found is None:
        raise UserError(f"{path} has none of {', '.join(measure.key for measure in ALL)}; run `dvc repro --force` to make it again")
    return found
