"""Pictures and clips with a part covered."""

from typing import Annotated

import torch
from jaxtyping import Bool, Int, Shaped
from pydantic import Field
from torch import Tensor

from deconfuse.augmentation import Augmentation, whole


class Cutout(Augmentation):
    """A rectangle around a pixel drawn anywhere, so that it may lie partly outside, covered by the mean (DeVries & Taylor 2017).

    The same one in all frames of a clip. The paper's squares are shares of 0.5 (CIFAR-10) and 0.25 (CIFAR-100).
    """

    layouts = ("image", "video")

    def __init__(
        self,
        fill: float,
        *,
        size: Annotated[float, Field(gt=0, le=1, description="Sides of the rectangle, as a share of height and width.")] = 0.25,
    ) -> None:
        super().__init__(fill)
        self.size = size

    def __call__(self, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None, generator: torch.Generator) -> Shaped[Tensor, "B ..."]:
        rows, columns = (self.span(len(x), side, generator) for side in x.shape[-2:])
        hole = rows[:, :, None] & columns[:, None, :]
        return self.covered(x, hole.view(len(x), *[1] * (x.dim() - 3), *hole.shape[1:]))

    def span(self, samples: int, side: int, generator: torch.Generator) -> Bool[Tensor, "B side"]:
        """Which pixels along a side the rectangle covers."""
        extent = max(1, round(self.size * side))
        centre = whole(torch.full((samples, 1), side - 1, device=generator.device), generator)
        place = torch.arange(side, device=generator.device) - (centre - extent // 2)
        return (place >= 0) & (place < extent)
