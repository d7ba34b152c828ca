"""Cross-attention: each modality is read anew in the light of every other one."""

from typing import Annotated

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from deconfuse.attention_layer import Layer
from deconfuse.fusion import Fusion, Out, pooled


class CrossAttention(Fusion):
    """For each ordered pair of modalities, the tokens of one (the target) attend to those of the other (the source); a target's
    readings are joined, attend to each other, and are averaged to one vector (Tsai et al. 2019).

    Differences from the paper: a target's readings are averaged over the sources that are present, not set side by side, so
    that a missing source leaves no hole and sizes do not grow with the square of the modalities; a target without any source
    keeps its own tokens; the mean token takes the place of the last one; positions are left to the encoders.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        heads: Annotated[int, Field(ge=1, le=256, description="Attention heads; the width must be a multiple.")] = 4,
        layers: Annotated[int, Field(ge=1, le=64, description="Layers of cross-attention and feed-forward of each pair.")] = 1,
        expansion: Annotated[int, Field(ge=1, le=16, description="Size of the feed-forward parts' hidden layers, in widths.")] = 2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide the width {width}")
        self.modalities = tuple(sorted(modalities))
        self.out_dim = len(self.modalities) * width
        self.targets = nn.ModuleDict(
            {
                target: Target(tuple(name for name in self.modalities if name != target), width, heads, layers, expansion)
                for target in self.modalities
            }
        )

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        # zeros for what is missing: even a weight of 0 would let NaN through
        clean = {name: torch.where(masks[name][..., None], tokens[name], 0.0) for name in self.modalities}
        read = [self.targets[name](clean[name], masks[name], clean, masks) for name in self.modalities]
        return torch.cat(read, dim=-1), {}


class Target(nn.Module):
    """One modality, read in the light of each of the others."""

    def __init__(self, sources: tuple[str, ...], width: int, heads: int, layers: int, expansion: int) -> None:
        super().__init__()
        self.sources = sources
        self.pairs = nn.ModuleDict({name: nn.ModuleList(Crossing(width, heads, expansion) for _ in range(layers)) for name in sources})
        self.join = Layer(width, heads, expansion)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        x: Float[Tensor, "B L D"],
        mask: Bool[Tensor, "B L"],
        tokens: dict[str, Float[Tensor, "B _ D"]],
        masks: dict[str, Bool[Tensor, "B _"]],
    ) -> Float[Tensor, "B D"]:
        """The mean over the target's tokens; zeros where it is missing."""
        total, count = torch.zeros_like(x), x.new_zeros(x.shape[0], 1, 1)
        for name in self.sources:
            there = rearrange(masks[name].any(1), "b -> b 1 1")
            total = total + torch.where(there, self.reading(name, x, tokens[name], masks[name]), 0.0)
            count = count + there
        joined = torch.where(count > 0, total / count.clamp(min=1), x)
        return pooled(self.norm(self.join(joined, never_empty(mask))), mask)

    def reading(
        self, name: str, x: Float[Tensor, "B L D"], source: Float[Tensor, "B S D"], mask: Bool[Tensor, "B S"]
    ) -> Float[Tensor, "B L D"]:
        for layer in self.pairs[name].children():
            x = layer(x, source, never_empty(mask))
        return x


class Crossing(nn.Module):
    """Multi-head attention from target to source and a feed-forward part, each with a residual; norms come first."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_target, self.norm_source, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.project = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, x: Float[Tensor, "B L D"], source: Float[Tensor, "B S D"], mask: Bool[Tensor, "B S"]) -> Float[Tensor, "B L D"]:
        query = rearrange(self.query(self.norm_target(x)), "b l (h d) -> b h l d", h=self.heads)
        key, value = rearrange(self.key_value(self.norm_source(source)), "b s (two h d) -> two b h s d", two=2, h=self.heads)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=rearrange(mask, "b s -> b 1 1 s"))
        x = x + self.project(rearrange(mixed, "b h l d -> b l (h d)"))
        return x + self.feed(self.norm_feed(x))


def never_empty(mask: Bool[Tensor, "B L"]) -> Bool[Tensor, "B L"]:
    """All True where no token is there: attention over nothing is not defined, and its result is thrown away later."""
    return mask | ~mask.any(1, keepdim=True)
