"""Texts with some words unknown."""

from typing import Annotated

import torch
from jaxtyping import Int, Shaped
from pydantic import Field
from torch import Tensor

from deconfuse.augmentation import Augmentation, uniform


class WordDropout(Augmentation):
    """Some token ids (words or characters) become the id of the unknown (Bowman et al. 2016), so a text's length stays.

    That id is also learnt this way: without it, no training text may hold one.
    """

    layouts = ("tokens",)

    def __init__(
        self,
        fill: float,
        *,
        probability: Annotated[float, Field(ge=0, le=1, description="Probability that a token becomes unknown.")] = 0.1,
    ) -> None:
        super().__init__(fill)
        self.probability = probability

    def __call__(self, x: Shaped[Tensor, "B T"], length: Int[Tensor, " B"] | None, generator: torch.Generator) -> Shaped[Tensor, "B T"]:
        dropped = uniform(tuple(x.shape), generator) < self.probability
        if length is not None:
            # padding is no word
            dropped &= torch.arange(x.shape[1], device=x.device) < length[:, None]
        return self.covered(x, dropped)
