"""How a training goes, layer by layer: does the gradient reach the first one, do weights move, do units live?

Measured at the first step (epoch 0: nothing is learnt yet) and at the last of each epoch; what is learnt does not depend on it.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from deconfuse.training.checkerboard import unevenness
from deconfuse.training.layers import Layer, layers
from deconfuse.training.probe import probe
from deconfuse.training.state import Row, State

COLUMNS = (
    "seed",
    "epoch",
    "part",
    "layer",
    "kind",
    "depth",
    "weights",
    "stride",
    "gradient_norm",
    "weight_norm",
    "update_ratio",
    "spread",
    "activation_norm",
    "delta_norm",
    "dead_share",
    "checkerboard",
    "checkerboard_noise",
    "overlap_unevenness",
)
"""Of diagnosis.csv: a row a layer and epoch.

depth                from 1, by the order in which the part's layers work
weights              how many it has, biases left out
stride               of a convolution, transposed or not; the largest of its axes
gradient_norm        L2 norm of its weights' gradient, before it is clipped
update_ratio         norm of the step over that of the weights before it; about 1e-3 is healthy
spread               standard deviation of what it gives for the probe
activation_norm      root mean square over samples of the L2 norm of the same
delta_norm           L2 norm of the loss's gradient with respect to the same
dead_share           of the units of the ReLU right after it, channels of a map, those that are 0 everywhere in the probe
checkerboard         of the energy of its maps, the share at waves of period 2
checkerboard_noise   the same of white noise
overlap_unevenness   of a transposed convolution, see `checkerboard.unevenness`
"""
PROBE = 64
"""Samples of the fixed batch at most."""


class Diagnosis:
    """Measures a training.

    Args:
        model: the one that learns.
        batch: the probe: samples that stay the same, as they are without augmentation.
        loss: mean of a sample, of logits and labels.
    """

    def __init__(self, model: nn.Module, batch: Any, loss: Callable[[Tensor, Tensor], Tensor]) -> None:
        self.model, self.batch, self.loss = model, batch, loss
        self.layers = layers(model)
        self.before: list[list[Tensor]] = []
        """The weights of each layer before the step that is measured."""

    def before_step(self, state: State, steps: int) -> None:
        """Look at the gradient of a step, one of so many of its epoch, and at the weights that it will change."""
        if state.epoch == 1 and state.step == 0:
            nothing = torch.full((len(self.layers),), math.nan)
            state.diagnosis += self._rows(0, torch.stack([*self._norms(), nothing], 1))
        if state.step == steps - 1:
            state.sums["diagnosis"] = torch.stack(self._norms(), 1)
            self.before = [[value.detach().clone() for value in layer.weights] for layer in self.layers]

    def after_step(self, state: State) -> None:
        """Look at what the step has changed."""
        if not self.before:
            return
        moved = [norm([new - old for new, old in zip(layer.weights, olds, strict=True)]) for layer, olds in self._pairs()]
        gradient, weight = state.sums["diagnosis"].unbind(1)
        state.sums["diagnosis"] = torch.stack([gradient, weight, torch.stack(moved) / weight], 1)
        self.before = []

    def close(self, state: State) -> Row:
        """Add the rows of the epoch that is done to the state; returns what its row in the history tells of them."""
        rows = self._rows(state.epoch, state.sums["diagnosis"])
        state.diagnosis += rows
        return summary(rows)

    def _pairs(self) -> list[tuple[Layer, list[Tensor]]]:
        return list(zip(self.layers, self.before, strict=True))

    def _norms(self) -> tuple[Float[Tensor, " L"], Float[Tensor, " L"]]:
        """Of each layer the norms of its gradient and of its weights."""
        gradients = [norm([value.grad for value in layer.weights if value.grad is not None]) for layer in self.layers]
        return torch.stack(gradients), torch.stack([norm(list(layer.weights)) for layer in self.layers])

    def _rows(self, epoch: int, measured: Float[Tensor, "L 3"]) -> list[dict[str, Any]]:
        """The rows of an epoch, the layers in the order in which they work; `measured` are gradient, weight and update ratio."""
        ordered, seen = probe(self.model, self.layers, self.batch, self.loss)
        values = dict(zip((layer.name for layer in self.layers), measured.tolist(), strict=True))
        depths: dict[str, int] = {}
        rows = []
        for layer in ordered:
            depths[layer.part] = depths.get(layer.part, 0) + 1
            gradient, weight, update = values[layer.name]
            about = {"epoch": epoch, "part": layer.part, "layer": layer.name, "kind": layer.kind, "depth": depths[layer.part]}
            found = {"gradient_norm": gradient, "weight_norm": weight, "update_ratio": None if math.isnan(update) else update}
            rows.append({**about, "weights": layer.size, **found, **seen[layer.name], **convolution(layer.module)})
        return rows


def convolution(module: nn.Module) -> dict[str, float | None]:
    """What a kernel's form says, by the columns of a diagnosis."""
    return {
        "stride": max(module.stride) if isinstance(module, _ConvNd) else None,
        "overlap_unevenness": unevenness(module) if isinstance(module, _ConvTransposeNd) else None,
    }


def norm(values: list[Tensor]) -> Float[Tensor, ""]:
    """L2 norm of all values of some tensors; 0 of none."""
    return torch.stack([value.detach().double().square().sum() for value in values] or [torch.zeros(())]).sum().sqrt().cpu()


def summary(rows: list[dict[str, Any]]) -> Row:
    """What the history tells of an epoch: of each encoder the gradient's norm at its first layer over that at its last, the median ratio of
    step and weights, the share of dead units."""
    maps = [row for row in rows if row["kind"] not in ("norm", "other")]
    told: Row = {}
    for part in sorted({row["part"] for row in maps}):
        norms = [row["gradient_norm"] for row in maps if row["part"] == part]
        if len(norms) > 1:
            told[f"diagnosis/gradient_ratio/{part}"] = norms[0] / max(norms[-1], torch.finfo(torch.float32).tiny)
    ratios = [row["update_ratio"] for row in rows if row["update_ratio"] is not None]
    told["diagnosis/update_ratio"] = float(np.median(ratios)) if ratios else 0.0
    dead = [row["dead_share"] for row in rows if row["dead_share"] is not None]
    return told | ({"diagnosis/dead_share": float(np.mean(dead))} if dead else {})
