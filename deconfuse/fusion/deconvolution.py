"""Transposed convolutions that draw every modality onto one canvas."""

from typing import Annotated

import torch
from einops import rearrange
from einops.layers.torch import Rearrange
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.fusion import Fusion, Out, pooled


class Deconvolution(Fusion):
    """Each modality's embedding is mapped back by transposed convolutions onto a shared canvas; the stacked canvases are
    mixed by convolution and pooled.

    Group norm, not batch norm: a sample's result must depend on no other sample, and on nothing that is missing.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        channels: Annotated[int, Field(ge=1, le=1024, description="Channels of each modality's canvas.")] = 16,
        seed: Annotated[int, Field(ge=1, le=64, description="Side of the map from which a canvas grows.")] = 2,
        doublings: Annotated[int, Field(ge=1, le=6, description="Transposed convolutions; each doubles the side of the canvas.")] = 1,
        hidden: Annotated[int, Field(ge=1, le=65_536, description="Channels of the mixed canvas.")] = 32,
        pool: Annotated[int, Field(ge=1, le=64, description="Side of the grid that the mixed canvas is pooled to.")] = 2,
    ) -> None:
        super().__init__()
        self.modalities = tuple(sorted(modalities))
        self.out_dim = hidden * pool * pool
        self.draw = nn.ModuleDict({name: drawing(width, channels, seed, doublings) for name in self.modalities})
        self.mix = nn.Sequential(
            nn.Conv2d(len(self.modalities) * channels, hidden, 3, padding=1),
            nn.GroupNorm(1, hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, hidden, 3, padding=1),
            nn.GroupNorm(1, hidden),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(pool),
            # in the order that it has in memory, so that the gradient comes in it, too
            Rearrange("b c h w -> b (h w c)"),
        )

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        canvases = {}
        for name in self.modalities:
            canvas = self.draw[name](pooled(tokens[name], masks[name]))
            # a missing modality leaves its canvas blank, not painted with the biases
            canvases[name] = torch.where(rearrange(masks[name].any(1), "b -> b 1 1 1"), canvas, 0.0)
        return self.mix(torch.cat([canvases[name] for name in self.modalities], dim=1)), {"canvases": canvases}


def drawing(width: int, channels: int, seed: int, doublings: int) -> nn.Sequential:
    """An embedding (B, D) to a canvas (B, channels, side, side) with side = seed x 2^doublings."""
    layers: list[nn.Module] = [nn.Linear(width, channels * seed * seed), nn.Unflatten(1, (channels, seed, seed))]
    for _ in range(doublings):
        layers += [nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1), nn.GroupNorm(1, channels), nn.ReLU()]
    return nn.Sequential(*layers)
