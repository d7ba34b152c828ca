"""Video: convolutions over space and time."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec, valid


class Cnn3d(Encoder):
    """Blocks of 3x3x3 convolutions, each split into one over space and one over time ((2+1)D, Tran et al. 2018).

    Both parts are followed by a norm and ReLU and have stride 2, the one over time only in as many blocks as `halvings` says.
    The map of each remaining time step, averaged over its area, is one token. The norm is over one frame (Wu & He 2018, one
    group), not over the batch: frames beyond a clip's end then have no part in it, in training neither.
    """

    layouts = ("video",)

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        channels: Annotated[
            Sequence[Annotated[int, Field(ge=1, le=4096)]],
            Field(min_length=1, description="Channels of each block; every block halves a frame's height and width."),
        ] = (8, 16, 32),
        halvings: Annotated[
            int, Field(ge=0, le=16, description="Blocks, from the first on, that halve the number of time steps, too.")
        ] = 1,
    ) -> None:
        super().__init__()
        sizes = pairwise([spec.shape[1], *channels])
        self.blocks = nn.ModuleList(Block(a, b, 2 if place < halvings else 1) for place, (a, b) in enumerate(sizes))
        self.project = nn.Linear(channels[-1], width)

    def forward(self, x: Float[Tensor, "B T C H W"], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        mask = valid(length, x, x.shape[1])
        for block in self.blocks:
            x, mask = block(x, mask)
        return self.project(x.mean((-2, -1))), {"mask": mask}


class Block(nn.Module):
    """Convolution over space, then over time."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.space = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.time = nn.Conv2d(outputs, outputs, (3, 1), stride=(stride, 1), padding=(1, 0), bias=False)
        self.norm_space, self.norm_time = nn.GroupNorm(1, outputs), nn.GroupNorm(1, outputs)
        self.rectify_space, self.rectify_time = nn.ReLU(), nn.ReLU()
        self.stride = stride

    def forward(self, x: Float[Tensor, "B T C H W"], mask: Bool[Tensor, "B T"]) -> tuple[Float[Tensor, "B U O H2 W2"], Bool[Tensor, "B U"]]:
        batch = x.shape[0]
        # zeros beyond the end, just as a clip that ends there would be padded
        x = torch.where(rearrange(mask, "b t -> b t 1 1 1"), x, 0.0)
        frames = self.rectify_space(self.norm_space(self.space(rearrange(x, "b t c h w -> (b t) c h w"))))
        height = frames.shape[-2]
        sequence = rearrange(frames, "(b t) c h w -> b c t (h w)", b=batch) * rearrange(mask, "b t -> b 1 t 1")
        moved = rearrange(self.time(sequence), "b c t (h w) -> (b t) c h w", h=height)
        # step i of the output is centred on step i * stride
        return rearrange(self.rectify_time(self.norm_time(moved)), "(b t) c h w -> b t c h w", b=batch), mask[:, :: self.stride]
