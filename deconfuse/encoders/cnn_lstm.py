"""Video: a convolutional network on every frame, a recurrent one over them."""

from collections.abc import Sequence
from typing import Annotated

import torch
from einops import rearrange
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec, valid
from deconfuse.encoders._grid import averaged
from deconfuse.encoders._recurrent import States, pooled


class CnnLstm(Encoder):
    """Blocks of [conv 3x3 stride 2, batch norm, ReLU] on each frame, pooled to a small grid, then an LSTM over time (Donahue et al. 2015).

    Strides, not pooling: a clip has many frames, and full-size maps of each would cost most of the time.
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
        ] = (16, 32),
        grid: Annotated[int, Field(ge=1, le=64, description="Side of the grid that each frame's features are pooled to.")] = 3,
        hidden: Annotated[int, Field(ge=1, le=8192, description="Size of the LSTM's state, in each direction.")] = 64,
        layers: Annotated[int, Field(ge=1, le=16, description="LSTM layers.")] = 1,
        bidirectional: Annotated[bool, Field(description="Read the clip from both ends.")] = True,
        pool: States = "last",
    ) -> None:
        super().__init__()
        inputs = spec.shape[1]
        self.blocks = nn.Sequential(*(block(a, b) for a, b in zip((inputs, *channels[:-1]), channels, strict=True)))
        self.places = averaged(grid)
        self.rnn = nn.LSTM(channels[-1] * grid * grid, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.states = pooled(pool)
        self.project = nn.Linear(hidden * (2 if bidirectional else 1), width)

    def forward(self, x: Float[Tensor, "B T C H W"], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        frames = x.shape[1]
        # padding repeats a clip's first frame, so that batch norm sees real pictures only
        padded = rearrange(valid(length, x, frames), "b t -> b t 1 1 1")
        features = self.places(self.blocks(rearrange(torch.where(padded, x, x[:, :1]), "b t c h w -> (b t) c h w")))
        sequence = rearrange(features, "(b t) c h w -> b t (c h w)", t=frames)
        tokens = self.project(self.states(self.rnn, sequence, length))[:, None]
        return tokens, {"mask": torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device)}


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU())
