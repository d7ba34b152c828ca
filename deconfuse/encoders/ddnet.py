"""Down by convolutions, up again by transposed ones, for pictures and for sounds as pictures."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._grid import Activation, Grid, GridTokens, channels_of, picture


class Ddnet(Encoder):
    """DDNet: conv 3 - 32 - 64 - 128 and transposed conv 128 - 64 - 32 - 3, all 3x3 stride 2, with ReLU between them.

    What comes out lies in the space of the input, at its size: `out["reconstruction"]`, which `train.reconstruction` compares with
    the input by the loss of an auto-encoder. Tokens are made of it alone, so every layer learns from labels, too.
    `grid: 1` is the classifier over the mean of each of the input's channels, for 10 classes at width 10 with 186,411
    parameters on three channels; a grey picture leaves it a single number, so by default the whole map is flattened.
    """

    layouts = ("image", "frames")
    reconstructs = True

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        channels: Annotated[
            Sequence[Annotated[int, Field(ge=1, le=4096)]],
            Field(min_length=1, description="Channels on the way down; the way up takes them in reverse."),
        ] = (32, 64, 128),
        grid: Grid = None,
        activation: Activation = "none",
    ) -> None:
        super().__init__()
        sizes = [channels_of(spec), *channels]
        self.down = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(sizes))
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(reversed(sizes)))
        # one after each layer but the last
        self.rectify = nn.ModuleList(nn.ReLU() for _ in range(2 * len(channels) - 1))
        height, breadth = spec.shape[-2:]
        self.tokens = GridTokens((sizes[0], height, breadth), width, grid, activation)

    def forward(self, x: Float[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        features, sides = picture(x), []
        rectify = iter((*self.rectify, nn.Identity()))
        for layer in self.down:
            sides.append(list(features.shape[-2:]))
            features = next(rectify)(layer(features))
        for layer, side in zip(self.up, reversed(sides), strict=True):
            # the side before halving, odd or even, decides the output padding
            features = next(rectify)(layer(features, output_size=side))
        tokens, out = self.tokens(features)
        return tokens, {**out, "reconstruction": features.reshape(x.shape)}
