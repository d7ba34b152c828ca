"""Concatenation."""

from typing import Annotated

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.fusion import Fusion, Out, pooled


class Concat(Fusion):
    """The mean token of each modality, side by side, through a hidden layer (the baseline of most of the field, e.g. Ngiam et al. 2011)."""

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        hidden: Annotated[int, Field(ge=1, le=65_536, description="Size of the hidden layer, which is what comes out.")] = 128,
    ) -> None:
        super().__init__()
        self.modalities = tuple(sorted(modalities))
        self.out_dim = hidden
        self.mix = nn.Sequential(nn.Linear(len(modalities) * width, hidden), nn.ReLU())

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        beside = torch.cat([pooled(tokens[name], masks[name]) for name in self.modalities], dim=-1)
        return self.mix(beside), {}
