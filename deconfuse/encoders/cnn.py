"""Convolutional network for pictures, and for sounds as pictures of time and frequency."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._blocks import Pooled, WithResidual, following, stack
from deconfuse.encoders._grid import Activation, Grid, GridTokens, channels_of, map_shape, picture
from deconfuse.encoders._network_deconvolution import NetworkDeconvolution


class Cnn(Encoder):
    """Blocks of [conv 3x3, batch norm, ReLU] and a max pool 2, then tokens (LeCun et al. 1998; Ioffe & Szegedy 2015).

    The classical small network, conv 32 - pool - conv 64 - pool - conv 64 - FC 64, is `channels: [32, 64, 64], norm: none,
    padding: valid, pools: 2, grid: null, activation: relu` at width 64: on 28 x 28 with 10 classes 93,322 parameters, the
    model's head included.
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
        ] = (16, 32, 64),
        repeat: Annotated[int, Field(ge=1, le=16, description="Convolutions of each block (Simonyan & Zisserman 2015).")] = 1,
        norm: Annotated[
            Literal["batch", "none", "network_deconvolution"],
            Field(
                description="Normalisation of what each convolution gives, which has a bias with `none`; or `network_deconvolution` of "
                "what it is given (Ye et al. 2020)."
            ),
        ] = "batch",
        residual: WithResidual = False,
        padding: Annotated[
            Literal["same", "valid"],
            Field(description="At the borders: `same` loses nothing, `valid` lets convolutions and pools drop what they do not cover."),
        ] = "same",
        pools: Annotated[
            Annotated[int, Field(ge=0)] | None,
            Field(description="Blocks, from the first on, with a max pool, which halves height and width; null is all."),
        ] = None,
        pooled: Pooled = "last",
        grid: Grid = 2,
        activation: Activation = "none",
    ) -> None:
        super().__init__()
        pairs = list(zip((channels_of(spec), *channels[:-1]), channels, strict=True))
        made = [convolutions(a, b, repeat, norm, padding) for a, b in pairs]
        number = len(made) if pools is None else min(pools, len(made))
        # `ceil_mode` keeps sides of one pixel alive, so no input is too small for `same` padding
        halves = [nn.MaxPool2d(2, ceil_mode=padding == "same") for _ in range(number)]
        self.blocks = stack(made, pairs, residual, halves, pooled)
        self.tokens = GridTokens(map_shape(self.blocks, spec), width, grid, activation)

    @classmethod
    def check(cls, spec: Spec | None, width: int, **options: Any) -> None:
        if spec is not None:
            # the blocks alone can be too many; a width of 1 keeps the rest small
            cls(spec, 1, **options)

    def forward(self, x: Float[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        return self.tokens(self.blocks(picture(x)))


def convolutions(inputs: int, outputs: int, repeat: int, norm: str, padding: str) -> list[nn.Module]:
    """So many times conv, norm, ReLU."""
    layers: list[nn.Module] = []
    for number in [inputs] + [outputs] * (repeat - 1):
        layers += [convolution(number, outputs, norm, 1 if padding == "same" else 0), *following(outputs, norm)]
    return layers


def convolution(inputs: int, outputs: int, norm: str, padding: int) -> nn.Conv2d:
    if norm == "network_deconvolution":
        return NetworkDeconvolution(inputs, outputs, 3, padding)
    return nn.Conv2d(inputs, outputs, 3, padding=padding, bias=norm == "none")
