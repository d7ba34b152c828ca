"""What the blocks of convolutional encoders share: norm and ReLU after a layer, and a residual around a block."""

from typing import Annotated, Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.kernel.errors import UserError

WithResidual = Annotated[
    bool,
    Field(
        description="Add a block's input to what it gives, before a pool (He et al. 2016), where it has as many channels in as out; such "
        "blocks must keep height and width. With `pooled: first`, a block with a pool has its residual around its second and "
        "later convolutions, if these are of stride 1."
    ),
]

Pooled = Annotated[
    Literal["last", "first"],
    Field(
        description="Where a block's max pool stands: at its end, or right behind its first convolution, so that the rest of the block "
        "costs a fourth."
    ),
]


class Residual(nn.Module):
    """A block's input added to what it gives. Raises UserError where the two differ in size.

    Args:
        block: of as many channels in as out.
    """

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        made = self.block(x)
        if made.shape != x.shape:
            now, was = (" x ".join(map(str, values.shape[-2:])) for values in (made, x))
            raise UserError(f"`residual` needs blocks that keep height and width, but one makes {now} of {was}")
        return x + made


class PooledBlock(nn.Sequential):
    """Layers of which the last are a ReLU and a max pool.

    While learning the pool goes first: the same values and gradients, with a fourth of the ReLU's work. Asked without learning each
    stands where it is written, since explanations look at the larger map.
    """

    def forward(self, input: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K H2 W2"]:  # noqa: A002  torch's own name
        *layers, rectify, pool = self
        x = input
        for layer in layers:
            x = layer(x)
        # of a single place torch's ReLU forgets the order in memory: what comes next would take longer, and round in another order
        is_small = x.shape[-2] * x.shape[-1] <= 4
        return rectify(pool(x)) if self.training and not is_small else pool(rectify(x))


def following(outputs: int, norm: str) -> list[nn.Module]:
    """What follows a convolution: batch norm where `norm` is `batch`, and ReLU."""
    return [*([nn.BatchNorm2d(outputs)] if norm == "batch" else []), nn.ReLU()]


def stack(
    made: list[list[nn.Module]], channels: list[tuple[int, int]], with_residual: bool, pools: list[nn.MaxPool2d], pooled: str
) -> nn.Sequential:
    """The blocks of a network, each from its layers. Raises UserError where a residual is asked for and none can be.

    Args:
        made: the layers of each block, a convolution first.
        channels: of each block those that come in and go out.
        with_residual: whether blocks that can have a residual have it.
        pools: those of the first so many blocks; the others have none.
        pooled: where they stand, see `Pooled`.
    """
    number = len(pools)
    if pooled == "last":
        ends = [*pools, *[None] * (len(made) - number)]
        return nn.Sequential(*map(block, made, residuals(with_residual, channels), ends))
    early = [behind(layers, pool, with_residual) for layers, pool in zip(made[:number], pools, strict=True)]
    has_one = any(isinstance(part, Residual) for each in early for part in each)
    return nn.Sequential(*early, *map(block, made[number:], residuals(with_residual, channels[number:], has_one)))


def behind(layers: list[nn.Module], pool: nn.Module, with_residual: bool) -> nn.Sequential:
    """A block with its pool behind its first convolution; its residual is around the others, if these are of stride 1."""
    others = [place for place, layer in enumerate(layers) if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)][1:]
    if not with_residual or not others or any(layers[place].stride != (1, 1) for place in others):
        return nn.Sequential(layers[0], pool, *layers[1:])
    return nn.Sequential(layers[0], pool, *layers[1 : others[0]], Residual(nn.Sequential(*layers[others[0] :])))


def block(layers: list[nn.Module], with_residual: bool, pool: nn.Module | None = None) -> nn.Sequential:
    """Layers one after the other, with a residual around all but the pool."""
    if with_residual:
        return nn.Sequential(Residual(nn.Sequential(*layers)), *([] if pool is None else [pool]))
    return nn.Sequential(*layers) if pool is None else PooledBlock(*layers, pool)


def residuals(asked: bool, channels: list[tuple[int, int]], has_one: bool = False) -> list[bool]:
    """Which blocks have a residual, by their channels in and out. Raises UserError where one is asked for and none can have it, unless
    another block has one."""
    found = [asked and inputs == outputs for inputs, outputs in channels]
    if asked and not has_one and not any(found):
        raise UserError(
            "`residual` needs a block of as many channels as the one before it (or, with `pooled: first`, one with a second convolution of "
            "stride 1 behind its pool), and there is none; change `channels`"
        )
    return found
