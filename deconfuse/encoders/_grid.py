"""Feature maps to tokens, for all encoders that see their input as a picture."""

from typing import Annotated, Literal

import torch
from einops import rearrange
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Out, Spec
from deconfuse.kernel.errors import UserError

Grid = Annotated[
    Annotated[int, Field(ge=1, le=64)] | None,
    Field(description="Tokens along each side of the averaged map; null makes the whole map, not averaged, one token."),
]
Activation = Annotated[Literal["none", "relu"], Field(description="Function after the linear map to tokens.")]


def channels_of(spec: Spec) -> int:
    """Channels of the picture that `picture` makes."""
    return spec.shape[0] if spec.layout == "image" else 1


def picture(x: Float[Tensor, "B ..."]) -> Float[Tensor, "B C H W"]:
    """A sound (B, T, F) as a picture of one channel; its window is fixed, so silence at its end is part of the picture."""
    return x if x.dim() == 4 else rearrange(x, "b t f -> b 1 t f")


@torch.no_grad()
def map_shape(blocks: nn.Module, spec: Spec) -> tuple[int, int, int]:
    """Channels, height and width that `blocks` make of the picture, found by trying: on real numbers, since torch's `meta` device
    would import its compiler (1.4 s a process).

    Raises UserError where the picture is too small for them.
    """
    height, width = spec.shape[-2:]
    try:
        # evaluation leaves the statistics of batch norm as they are
        made = blocks.eval()(torch.zeros(1, channels_of(spec), height, width))
    except RuntimeError:
        raise UserError(
            f"a picture of {height} x {width} is too small for so many blocks; use fewer channels, or `padding: same`"
        ) from None
    blocks.train()
    return made.shape[1], made.shape[2], made.shape[3]


class Mean(nn.Module):
    """The mean of each channel, as torch's adaptive pool to one place gives it.

    With the channels last in memory, as models have them, this way round takes a fourth of the adaptive pool's time on a CPU, and for a
    GPU it can be compiled into one with what is around it.
    """

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C 1 1"]:
        return x.permute(0, 2, 3, 1).flatten(1, 2).mean(1)[:, :, None, None]


def averaged(side: int | None) -> nn.Module:
    """A map's means over a square grid of places; the map as it is where there is none."""
    if side is None:
        return nn.Identity()
    return Mean() if side == 1 else nn.AdaptiveAvgPool2d(side)


class GridTokens(nn.Module):
    """A feature map to tokens: averaged to a square grid with a linear map of each place, or flattened with one linear map of all.

    Args:
        shape: channels, height and width of the map.
        width: size of a token.
        side: places along each side of the grid; None flattens.
        activation: what follows the linear map.
    """

    def __init__(self, shape: tuple[int, int, int], width: int, side: int | None, activation: str = "none") -> None:
        super().__init__()
        channels, height, breadth = shape
        self.pool = averaged(side)
        self.project = nn.Linear(channels * height * breadth if side is None else channels, width)
        self.activation = nn.ReLU() if activation == "relu" else nn.Identity()
        self.grid = (1, 1) if side is None else (side, side)

    def forward(self, features: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B L D"], Out]:
        # a place of the grid holds one mean a channel; flattened, the only place holds all of the map, in the order that it has in memory:
        # another one would give the map a gradient in another order, which all layers below would have to reorder
        rows, columns = self.grid
        places = rearrange(self.pool(features), "b c (h y) (w x) -> b (h w) (y x c)", h=rows, w=columns)
        tokens = self.activation(self.project(places))
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return tokens, {"mask": mask, "grid": self.grid}
