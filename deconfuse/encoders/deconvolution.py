"""Convolution and transposed convolution in turn, for pictures and for sounds as pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._blocks import Pooled, WithResidual, following, stack
from deconfuse.encoders._folded import MeanOfTransposed
from deconfuse.encoders._grid import Activation, Grid, GridTokens, channels_of, map_shape, picture
from deconfuse.kernel.errors import UserError


class Deconvolution(Encoder):
    """softmax(FC(pool(deconv(conv(x))))) up to the softmax.

    Blocks of [conv 3x3, transposed conv 4x4 stride 2], each of the two with batch norm and ReLU. Transposed convolution after
    Zeiler et al. 2010: a convolution's adjoint, not its inverse. ReLU after the last one matters: without it (`ending: linear`)
    the mean over all places is a linear map of what the last convolution gives, which the encoder then works out at a fourth of the
    whole network's cost.

    With `stride: 1, growth: 1, kernel: 3` each layer has the weights, the map and the cost of its counterpart in the encoder `cnn` with
    `repeat: 2, pools: 0`, its convolutional twin.

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
            Field(ge=1, le=4, description="Stride of each convolution; as large as `growth` a block keeps the size of its input."),
        ] = 2,
        growth: Annotated[
            int,
            Field(ge=1, le=4, description="Stride of each transposed convolution, which makes height and width so many times as large."),
        ] = 2,
        kernel: Annotated[
            int,
            Field(
                ge=1,
                le=9,
                description="Side of each transposed convolution's kernel; a multiple of `growth` gives every pixel as many terms "
                "(Odena et al. 2016).",
            ),
        ] = 4,
        norm: Annotated[
            Literal["batch", "none"],
            Field(description="Normalisation of what each layer gives, which has a bias with `none`."),
        ] = "batch",
        residual: WithResidual = False,
        pools: Annotated[
            int,
            Field(ge=0, description="Blocks, from the first on, with a max pool, which halves height and width; never the last."),
        ] = 0,
        pooled: Pooled = "last",
        ending: Annotated[
            Literal["relu", "linear"],
            Field(description="What follows the last transposed convolution: batch norm and ReLU, or nothing but its bias."),
        ] = "relu",
        grid: Grid = 2,
        activation: Activation = "none",
    ) -> None:
        super().__init__()
        self.check(spec, width, channels=channels, kernel=kernel, growth=growth, pools=pools)
        pairs = list(zip((channels_of(spec), *channels[:-1]), channels, strict=True))
        up = Up(kernel, growth)
        made = [layers(a, b, stride, up, norm) for a, b in pairs[:-1]]
        is_linear = ending == "linear"
        made.append(linear(*pairs[-1], stride, up, norm, is_averaged=grid == 1) if is_linear else layers(*pairs[-1], stride, up, norm))
        halves = [nn.MaxPool2d(2, ceil_mode=True) for _ in range(pools)]
        self.blocks = stack(made, pairs, residual, halves, pooled)
        self.tokens = GridTokens(map_shape(self.blocks, spec), width, grid, activation)

    @classmethod
    def check(cls, spec: Spec | None, width: int, **options: Any) -> None:
        kernel, growth = options["kernel"], options["growth"]
        if kernel < growth:
            raise UserError(f"a kernel of {kernel} leaves gaps at a growth of {growth}; make `kernel` as large")
        if growth == 1 and kernel % 2 == 0:
            raise UserError(f"a kernel of {kernel} cannot keep the size of a map, as a growth of 1 does; make `kernel` odd")
        if options["pools"] >= len(options["channels"]):
            raise UserError(f"`pools: {options['pools']}` would pool the last of {len(options['channels'])} blocks; give fewer")

    def forward(self, x: Float[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        return self.tokens(self.blocks(picture(x)))


@dataclass(frozen=True)
class Up:
    """A transposed convolution whose map is so many times as large as its input."""

    kernel: int
    growth: int

    def __call__(self, channels: int, bias: bool) -> nn.ConvTranspose2d:
        beyond = self.kernel - self.growth
        padding = -(-beyond // 2)
        return nn.ConvTranspose2d(channels, channels, self.kernel, self.growth, padding, output_padding=2 * padding - beyond, bias=bias)


def layers(inputs: int, outputs: int, stride: int, up: Up, norm: str) -> list[nn.Module]:
    """Conv, then transposed conv, each with norm and ReLU."""
    has_bias = norm == "none"
    first = [nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=has_bias), *following(outputs, norm)]
    return [*first, up(outputs, has_bias), *following(outputs, norm)]


def linear(inputs: int, outputs: int, stride: int, up: Up, norm: str, *, is_averaged: bool) -> list[nn.Module]:
    """The same with a bare transposed conv; `is_averaged` gives its mean over all places, as a map of one place."""
    last = up(outputs, bias=True)
    first = layers(inputs, outputs, stride, up, norm)[: 1 + len(following(outputs, norm))]
    return [*first, MeanOfTransposed(last) if is_averaged else last]
