"""Tensor fusion in low rank: every product of features across modalities, without the tensor."""

from typing import Annotated

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.fusion import Fusion, Out, pooled


class LowRank(Fusion):
    """Low-rank multimodal fusion (Liu et al. 2018): a linear map of the outer product of all [e_m; 1], its weights a sum of
    `rank` outer products, so that it costs one linear map a modality and an elementwise product.

    The 1 keeps the products of every subset of the modalities (Zadeh et al. 2017). A missing modality is e_m = 0: its factor
    is the weight of the 1 alone, and what is left are exactly the products among the others. These weights start at 1, not at
    random: then a modality that is missing changes nothing at first, and no product of many small numbers starves the gradient.
    The sum over ranks is a mean here, so that the rank does not set the scale.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        rank: Annotated[int, Field(ge=1, le=1024, description="Outer products that make up the weight tensor.")] = 4,
        hidden: Annotated[int, Field(ge=1, le=65_536, description="Size of what comes out.")] = 128,
    ) -> None:
        super().__init__()
        self.modalities = tuple(sorted(modalities))
        self.out_dim = hidden
        self.rank = rank
        self.factors = nn.ModuleDict({name: factor(width, rank * hidden) for name in self.modalities})

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        factors = torch.stack([self.factors[name](pooled(tokens[name], masks[name])) for name in self.modalities])
        product = rearrange(factors.prod(0), "b (r h) -> b r h", r=self.rank)
        return product.mean(1), {}


def factor(width: int, size: int) -> nn.Linear:
    """A linear map of [e; 1]: its bias is the weight of the 1."""
    linear = nn.Linear(width, size)
    nn.init.ones_(linear.bias)
    return linear
