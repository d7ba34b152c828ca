"""Pictures and clips, mirrored."""

from typing import Annotated

import torch
from jaxtyping import Int, Shaped
from pydantic import Field
from torch import Tensor

from deconfuse.augmentation import Augmentation, uniform


class Flip(Augmentation):
    """Left and right exchanged (Krizhevsky et al. 2012), in all frames of a clip; not for digits or letters."""

    layouts = ("image", "video")

    def __init__(
        self,
        fill: float,
        *,
        probability: Annotated[float, Field(ge=0, le=1, description="Probability that a sample is mirrored.")] = 0.5,
        averaged: Annotated[
            bool,
            Field(
                description="Where the model answers, each token is the mean of those of the sample and of its mirror image, at twice "
                "the cost (Krizhevsky et al. 2012)."
            ),
        ] = False,
    ) -> None:
        super().__init__(fill)
        # the model itself averages: see `forms`
        self.probability = probability

    def __call__(self, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None, generator: torch.Generator) -> Shaped[Tensor, "B ..."]:
        chosen = uniform((len(x),), generator) < self.probability
        # samples as a whole: a fourth of the time of choosing pixel by pixel
        return torch.cat([x, x.flip(-1)]).index_select(0, torch.arange(len(x), device=x.device) + len(x) * chosen)

    @staticmethod
    def forms(x: Shaped[Tensor, "B ..."]) -> list[Shaped[Tensor, "B ..."]]:
        return [x.flip(-1)]
