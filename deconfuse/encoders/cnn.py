"""Convolutional network for pictures, and for sounds as pictures of time and frequency."""

from collections.abc import Sequence
from typing import Annotated

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._grid import GridTokens, channels_of, picture


class Cnn(Encoder):
    """Blocks of [conv 3x3, batch norm, ReLU, max pool 2], pooled to a small grid of tokens (LeCun et al. 1998; Ioffe & Szegedy 2015)."""

    layouts = ("image", "frames")

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        channels: Annotated[
            Sequence[Annotated[int, Field(ge=1, le=4096)]],
            Field(min_length=1, description="Channels of each block; every block halves height and width."),
        ] = (16, 32, 64),
        grid: Annotated[int, Field(ge=1, le=64, description="Tokens along each side of the pooled map.")] = 2,
    ) -> None:
        super().__init__()
        inputs = channels_of(spec)
        self.blocks = nn.Sequential(*(block(a, b) for a, b in zip((inputs, *channels[:-1]), channels, strict=True)))
        self.tokens = GridTokens(channels[-1], width, grid)

    def forward(
        self, x: Float[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], Out]:
        return self.tokens(self.blocks(picture(x)))


def block(inputs: int, outputs: int) -> nn.Sequential:
    """Conv, norm, ReLU, halving; `ceil_mode` keeps sides of one pixel alive, so no input is too small."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
    )
