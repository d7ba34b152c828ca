"""Pictures and clips, shifted."""

from typing import Annotated

import torch
from jaxtyping import Int, Shaped
from pydantic import Field
from torch import Tensor

from deconfuse.augmentation import Augmentation, whole


class Crop(Augmentation):
    """A window of the picture's own size somewhere on the padded picture (He et al. 2016): a shift along height and width, the same
    for all frames of a clip. Other than in the paper the padding repeats the border, which suits pictures on any background.
    """

    layouts = ("image", "video")

    def __init__(
        self,
        fill: float,
        *,
        shift: Annotated[int, Field(ge=1, le=4096, description="Largest shift along height and width, in pixels.")] = 2,
        averaged: Annotated[
            bool,
            Field(
                description="Where the model answers, each token is the mean of those of the sample as it is, a pixel up and left, and a "
                "pixel down and right, at three times the cost (Jordan 2024)."
            ),
        ] = False,
    ) -> None:
        super().__init__(fill)
        # the model itself averages: see `forms`
        self.shift = shift

    def __call__(self, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None, generator: torch.Generator) -> Shaped[Tensor, "B ..."]:
        rows, columns = (self.moved(len(x), side, generator) for side in x.shape[-2:])
        # frames of a clip beside channels: all shift alike
        maps = x.flatten(1, -3)
        samples, channels, height, width = maps.shape
        # whole rows first, then within rows: a third of the time of one index of every pixel
        first = torch.arange(samples * channels, device=x.device).view(samples, channels, 1) * height
        found = maps.reshape(-1, width).index_select(0, (first + rows[:, None]).flatten())
        return found.view(samples, -1, width).gather(2, columns[:, None].expand(-1, channels * height, -1)).view(x.shape)

    def moved(self, samples: int, side: int, generator: torch.Generator) -> Int[Tensor, "B side"]:
        """For each pixel along a side, the one that comes to its place."""
        top = torch.full((samples, 1), 2 * self.shift, device=generator.device)
        shift = whole(top, generator) - self.shift
        return (torch.arange(side, device=generator.device) + shift).clamp(0, side - 1)

    @staticmethod
    def forms(x: Shaped[Tensor, "B ..."]) -> list[Shaped[Tensor, "B ..."]]:
        rows, columns = (torch.arange(side, device=x.device) for side in x.shape[-2:])
        moved = [((rows + by).clamp(0, len(rows) - 1), (columns + by).clamp(0, len(columns) - 1)) for by in (1, -1)]
        return [x.index_select(-2, down).index_select(-1, right) for down, right in moved]
