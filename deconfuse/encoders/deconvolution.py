"""Convolution and transposed convolution in turn, for pictures and for sounds as pictures."""

from collections.abc import Sequence
from typing import Annotated

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._grid import GridTokens, channels_of, picture


class Deconvolution(Encoder):
    """softmax(FC(pool(deconv(conv(x))))) up to the softmax.

    Blocks of [conv 3x3, transposed conv 4x4 stride 2], each of the two with batch norm and ReLU.

    Transposed convolution after Zeiler et al. 2010. ReLU after the last one matters: a linear map followed by the mean
    over all places would collapse into the linear map that follows.
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
            Field(ge=1, le=4, description="Stride of each convolution: with 2 a block keeps its input's size, with 1 it doubles it."),
        ] = 2,
        grid: Annotated[int, Field(ge=1, le=64, description="Tokens along each side of the pooled map.")] = 2,
    ) -> None:
        super().__init__()
        inputs = channels_of(spec)
        pairs = zip((inputs, *channels[:-1]), channels, strict=True)
        self.blocks = nn.Sequential(*(block(a, b, stride) for a, b in pairs))
        self.tokens = GridTokens(channels[-1], width, grid)

    def forward(
        self, x: Float[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], Out]:
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
