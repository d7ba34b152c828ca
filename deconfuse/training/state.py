"""Where a training is, as a checkpoint keeps it."""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deconfuse.processes.sharded import whole

Row = dict[str, int | float]


@dataclass
class State:
    """Where a training is; with the weights and the optimiser's state all that it needs to go on, and in the end what it leaves."""

    epoch: int = 1
    """The one at work, from 1."""
    step: int = 0
    """How many of its steps are done."""
    sums: dict[str, Float[Tensor, "..."]] = field(default_factory=lambda: {name: torch.zeros(()) for name in ("loss", "score", "gradient")})
    """Of the samples of these steps; under `gradient` the norms of its last step, under `diagnosis` what its layers did there, 0 before."""
    pieces: int = 1
    """Into how many a batch is cut, so that the memory suffices."""
    average: dict[str, Tensor] = field(default_factory=dict)
    """The moving average of weights and statistics, where the model is; empty where none is kept."""
    weights: dict[str, Tensor] = field(default_factory=dict)
    """The state of the best epoch, on the CPU."""
    best_epoch: int = 0
    """The epoch with the lowest validation loss, from 1; 0 before there is one."""
    best: float = math.inf
    """That loss."""
    rows: list[Row] = field(default_factory=list)
    """One for each epoch that is done."""
    diagnosis: list[dict[str, Any]] = field(default_factory=list)
    """One for each layer and epoch, where the recipe diagnoses."""
    ended: list[float] = field(default_factory=list)
    """When these were done, in unix seconds."""
    started: float = field(default_factory=time.time)
    """In unix seconds."""
    pauses: list[list[float]] = field(default_factory=list)
    """For each time that the training was interrupted and went on, the times of both, in unix seconds."""
    seconds: float = 0.0
    """What the epochs that are done took, pauses left out."""

    def close(self, row: Row, loss: float, model: nn.Module, keeps: bool = True) -> None:
        """Take in an epoch that is done, and go to the start of the next; of several processes only one keeps the weights."""
        self.rows.append(row)
        self.ended.append(time.time())
        self.seconds = self.ended[-1] - self.started - sum(on - off for off, on in self.pauses)
        if loss < self.best:
            self.best, self.best_epoch, self.weights = loss, self.epoch, snapshot(model, keeps)
        self.epoch, self.step = self.epoch + 1, 0
        self.sums = {name: torch.zeros(()) for name in self.sums}


def snapshot(model: nn.Module, keeps: bool = True) -> dict[str, Tensor]:
    """A copy of the weights on the CPU, in the one memory layout that files know; nothing where the process only helps to gather it."""
    values = ((name, whole(value.detach())) for name, value in model.state_dict().items())
    return {name: value.cpu().clone(memory_format=torch.contiguous_format) for name, value in values if keeps}
