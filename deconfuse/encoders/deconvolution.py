"""Convolution and transposed convolution in turn, for pictures and for sounds as pictures."""

from collections.abc import Sequence
from typing import Annotated, Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._folded import MeanOfTransposed
from deconfuse.encoders._grid import Activation, Grid, GridTokens, channels_of, map_shape, picture


class Deconvolution(Encoder):
    """softmax(FC(pool(deconv(conv(x))))) up to the softmax.

    Blocks of [conv 3x3, transposed conv 4x4 stride 2], each of the two with batch norm and ReLU. Transposed convolution after
    Zeiler et al. 2010. ReLU after the last one matters: without it (`ending: linear`) the mean over all places is a linear map of
    what the last convolution gives, which the encoder then works out at a fourth of the whole network's cost.

    With `channels: [32, 64, 128], stride: 1` a 32 x 32 picture grows to 256 x 256. At a width of the number of classes the
    linear map to tokens is then the classifier: of 10 classes 439,274 parameters with `grid: 1`, and 84,324,074 with
    `grid: null` (flattened). The model's head, classes x classes, adds no function that this map could not be by itself.
    """

    layouts = ("image", "frames")

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        channels: Annotated[
            Sequence[Annotated[int, Field(ge=1, le=4096)]],
            Field(min_length=1, description="Channels of each block."),
        ] = (16, 32),
        stride: Annotated[
            int,
            Field(
                ge=1,
                le=4,
                description="Stride of each convolution; with 2 a block keeps the size of its input, with 1 it doubles height and width.",
            ),
        ] = 2,
        ending: Annotated[
            Literal["relu", "linear"],
            Field(description="What follows the last transposed convolution: batch norm and ReLU, or nothing but its bias."),
        ] = "relu",
        grid: Grid = 2,
        activation: Activation = "none",
    ) -> None:
        super().__init__()
        pairs = list(zip((channels_of(spec), *channels[:-1]), channels, strict=True))
        self.blocks = nn.Sequential(*(block(a, b, stride) for a, b in pairs[:-1]))
        self.blocks.append(block(*pairs[-1], stride) if ending == "relu" else linear_block(*pairs[-1], stride, is_averaged=grid == 1))
        self.tokens = GridTokens(map_shape(self.blocks, spec), width, grid, activation)

    def forward(self, x: Float[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        return self.tokens(self.blocks(picture(x)))


def block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    """Conv, then transposed conv; the 4x4 kernel is divisible by its stride, so every pixel gets as many terms (Odena et al. 2016)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.ConvTranspose2d(outputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
    )


def linear_block(inputs: int, outputs: int, stride: int, *, is_averaged: bool) -> nn.Sequential:
    """The same with a bare transposed conv; `is_averaged` gives its mean over all places, as a map of one place."""
    last = nn.ConvTranspose2d(outputs, outputs, 4, stride=2, padding=1)
    return nn.Sequential(*block(inputs, outputs, stride)[:3], MeanOfTransposed(last) if is_averaged else last)
