"""How a model is trained, as the loop takes it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from deconfuse.processes.team import ALONE, Team
from deconfuse.training.diagnosis import Diagnosis


@dataclass(frozen=True)
class Recipe:
    """How a model is trained."""

    seed: int
    epochs: int
    batch_size: int
    optimizer: torch.optim.Optimizer
    rate: Callable[[int, int], float]
    """The learning rate at a step (from 0) of so many in all."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Mean loss (a sample) of logits (B, K) and the labels of what the model saw."""
    plain: Callable[[Tensor, Tensor], Tensor]
    """The same without weights and smoothing, so that models with different losses can be compared: the validation loss."""
    measure: str
    """What `score` is: the history calls it `train_<measure>` and `val_<measure>`."""
    score: Callable[[Tensor, Tensor], Tensor]
    """How good the logits are for each sample's label (B,); logged as the mean of a split."""
    patience: int | None = None
    """Epochs in a row without a lower validation loss after which the training ends."""
    modality_dropout: float = 0.0
    """Probability that a modality of a sample is hidden; never the last one present."""
    augment: Callable[[Any, torch.Generator], Any] | None = None
    """Gives the batch that the model sees, all its draws from the generator, which is on the batch's device."""
    penalty: Callable[[], Tensor] | None = None
    """What is added to the loss for the weights as they are."""
    reconstruction: float = 0.0
    """Weight in the loss of the mean of `errors`; 0 leaves it out."""
    errors: Callable[[Any, dict[str, Tensor]], Float[Tensor, " 2"]] | None = None
    """Sum and number of the errors of reconstruction in the model's `out`, by what is present; needed where their weight is not 0."""
    micro_batch: int | None = None
    """Samples that go through the model at a time; a batch of more is learnt in pieces, whose gradients are added."""
    clip: float | None = None
    """Largest norm of a step's whole gradient; a longer one is made shorter."""
    team: Team = ALONE
    """The processes that share every batch."""
    average: float = 0.0
    """Share of the past in the moving average of the weights that is validated and kept; 0 keeps the weights themselves."""
    diagnosis: Diagnosis | None = None
    """Measures the layers once an epoch."""
    recorder: Callable[[Callable[[Any, dict[str, Tensor]], Any], Any, dict[str, Tensor], int], Any] | None = None
    """Does a step's work on a batch, what may be seen of it and so many pieces, by a recording of it; None does it as it is written."""

    def steps(self, samples: int) -> int:
        """Of an epoch over so many, in batches that differ by a sample at most; none has one alone, of which batch norm learns nothing."""
        return min(math.ceil(samples / self.batch_size), samples // 2)
