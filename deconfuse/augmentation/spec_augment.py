"""Spectrograms with bands and moments covered."""

from typing import Annotated

import torch
from jaxtyping import Bool, Int, Shaped
from pydantic import Field
from torch import Tensor

from deconfuse.augmentation import Augmentation, whole


class SpecAugment(Augmentation):
    """Some stretches of time and some bands of frequency covered by the mean (Park et al. 2019), without the paper's time warping.

    Each mask's width is drawn from 0 to its largest, then its place. Time masks lie within a sample's valid steps. The paper's
    widest are 27 of 80 bands and 100 steps.
    """

    layouts = ("frames",)

    def __init__(
        self,
        fill: float,
        *,
        time_masks: Annotated[int, Field(ge=0, le=100, description="Stretches of time that are covered.")] = 2,
        time: Annotated[float, Field(ge=0, le=1, description="Largest width of one, as a share of a sample's valid steps.")] = 0.2,
        frequency_masks: Annotated[int, Field(ge=0, le=100, description="Bands of frequency that are covered.")] = 2,
        frequency: Annotated[float, Field(ge=0, le=1, description="Largest width of one, as a share of all frequencies.")] = 0.2,
    ) -> None:
        super().__init__(fill)
        self.time_masks, self.time = time_masks, time
        self.frequency_masks, self.frequency = frequency_masks, frequency

    def __call__(self, x: Shaped[Tensor, "B T F"], length: Int[Tensor, " B"] | None, generator: torch.Generator) -> Shaped[Tensor, "B T F"]:
        samples, steps, bands = x.shape
        every = torch.full((samples,), steps, device=x.device)
        times = masks(self.time_masks, self.time, every if length is None else length, steps, generator)
        frequencies = masks(self.frequency_masks, self.frequency, torch.full_like(every, bands), bands, generator)
        return self.covered(x, times[:, :, None] | frequencies[:, None, :])


def masks(count: int, share: float, valid: Int[Tensor, " B"], size: int, generator: torch.Generator) -> Bool[Tensor, "B size"]:
    """Where the masks of each sample lie along an axis of `size`, all within its `valid` first places."""
    extent = valid[:, None].expand(-1, count)
    width = whole((extent * share).long(), generator)
    start = whole(extent - width, generator)
    place = torch.arange(size, device=generator.device)
    return ((place >= start[..., None]) & (place < (start + width)[..., None])).any(1)
