"""The moving average of a model's weights: less noisy than the last ones, so what is validated and kept (Polyak & Juditsky 1992)."""

from collections.abc import Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from deconfuse.processes.sharded import local


class Average:
    """Follows a model's weights and statistics: average = share * average + (1 - share) * value, at every step.

    Batch norm's running mean and variance are averaged like weights, so that they fit them; whole numbers are copied.

    Args:
        model: the one to follow.
        kept: what the average was; an empty mapping is filled with the weights as they are. It is changed in place.
        share: of the past, 0 to 1. In the first steps it is lower, (1 + step) / (10 + step): short trainings would keep their random start.
    """

    def __init__(self, model: nn.Module, kept: dict[str, Tensor], share: float) -> None:
        self.share = share
        now = {name: value.detach() for name, value in model.state_dict().items()}
        if not kept:
            kept.update({name: value.clone() for name, value in now.items()})
        pairs = [(local(kept[name]), local(value)) for name, value in now.items()]
        self.smooth = [pair for pair in pairs if pair[0].is_floating_point()]
        self.whole = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Take in the weights after a step (from 0, of the whole training)."""
        averages, values = ([pair[i] for pair in self.smooth] for i in (0, 1))
        torch._foreach_lerp_(averages, values, 1 - min(self.share, (1 + step) / (10 + step)))
        for average, value in self.whole:
            average.copy_(value)

    @contextmanager
    def standing_in(self) -> Generator[None]:
        """Let the model have the average for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for average, value in self.smooth + self.whole:
            held = value.clone()
            value.copy_(average)
            average.copy_(held)
