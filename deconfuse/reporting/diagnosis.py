"""How the layers of each model learnt, as its training measured it (`deconfuse/training/diagnosis.py`).

Axes: S seeds, E epochs, the first of which is before training.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from deconfuse.reporting.results import Result

LEAST = 1e-45
"""What a gradient of 0 counts as in a logarithm: float32 has nothing smaller."""


@dataclass(frozen=True)
class Stack:
    """An encoder, whose layers work one after the other."""

    result: Result
    part: str
    """Its modality."""
    rows: pd.DataFrame
    """A row a layer, epoch and seed: the columns of diagnosis.csv, with `maps`, whether the layer makes features of features."""

    @property
    def name(self) -> str:
        return self.result.name if self.result.single else f"{self.result.name}: {self.part}"

    @property
    def seeds(self) -> list[int]:
        return self.result.seeds

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row a layer, in order: layer, kind, weights, maps, stride."""
        first = self.rows[(self.rows["epoch"] == 0) & (self.rows["seed"] == self.seeds[0])]
        return first.sort_values("depth")[["layer", "kind", "weights", "maps", "stride"]].reset_index(drop=True)

    @property
    def kinds(self) -> set[str]:
        """Of the layers that make features of features."""
        return set(self.layers.loc[self.layers["maps"], "kind"])

    @cached_property
    def ratio(self) -> pd.DataFrame:
        """log10 of the gradient's norm at the first layer over that at the last: seeds down, epochs across."""
        maps = self.rows[self.rows["maps"]].sort_values("depth")
        norms = maps.groupby(["seed", "epoch"])["gradient_norm"].agg(["first", "last"]).clip(lower=LEAST)
        return np.log10(norms["first"] / norms["last"]).unstack()

    @cached_property
    def spread(self) -> pd.DataFrame:
        """log10 of the spread of what the last layer gives over that of the first."""
        maps = self.rows[self.rows["maps"] & self.rows["spread"].notna()].sort_values("depth")
        spreads = maps.groupby(["seed", "epoch"])["spread"].agg(["first", "last"]).clip(lower=LEAST)
        return np.log10(spreads["last"] / spreads["first"]).unstack()

    @cached_property
    def steps(self) -> pd.DataFrame:
        """The median over layers of the step's share of the weights."""
        return self.rows.pivot_table("update_ratio", "seed", "epoch", "median", dropna=False)

    @cached_property
    def dead(self) -> pd.DataFrame:
        """The mean over layers of the share of dead units; nothing but NaN where there is no ReLU."""
        return self.rows.pivot_table("dead_share", "seed", "epoch", "mean", dropna=False)

    @property
    def loss(self) -> Float[np.ndarray, " S"]:
        """The mean over epochs of the training loss, which is lower the sooner a model learns; the validation loss of a young batch norm is
        that of running statistics which lag behind."""
        return self.result.history.groupby("seed")["train_loss"].mean().to_numpy()

    @property
    def largest(self) -> float:
        """The largest norm of a layer's gradient in any epoch and seed."""
        return float(self.rows["gradient_norm"].max())


def start(found: pd.DataFrame) -> Float[np.ndarray, " S"]:
    """Each seed's value before training."""
    return found[0].to_numpy()


def course(found: pd.DataFrame) -> Float[np.ndarray, " S"]:
    """Each seed's mean over its epochs."""
    return found.drop(columns=0).mean(axis=1).to_numpy()


def end(found: pd.DataFrame) -> Float[np.ndarray, " S"]:
    """Each seed's value in its last epoch, which need not be that of others."""
    return np.array([row.dropna().iloc[-1] if row.notna().any() else np.nan for _, row in found.iterrows()])


def stacks(results: list[Result], root: Path) -> list[Stack]:
    """The encoders of the diagnosed models that have two layers or more, in the order of the results."""
    found = []
    for result in results:
        rows = read(root / "data/models" / result.name / "diagnosis.csv")
        if rows is None:
            continue
        for part in result.modalities:
            own = rows[rows["part"] == part]
            if own.loc[own["maps"], "layer"].nunique() > 1:
                found.append(Stack(result, part, own))
    return found


def read(path: Path) -> pd.DataFrame | None:
    """A diagnosis.csv; None where the model was not diagnosed."""
    if not path.is_file():
        return None
    # a modality may be called "NA"
    rows = pd.read_csv(path, converters=dict.fromkeys(("part", "layer", "kind"), str))
    return None if rows.empty else rows.assign(maps=~rows["kind"].isin(["norm", "other"]))
