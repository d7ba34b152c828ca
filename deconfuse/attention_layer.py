"""The layer that the attention fusion and the transformer encoder are built of."""

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F


class Layer(nn.Module):
    """Multi-head self-attention and a feed-forward part, each with a residual (Vaswani et al. 2017), normalised before (Xiong et al. 2020).

    Args:
        width: size D of a token, a multiple of `heads`.
        heads: attention heads.
        expansion: size of the feed-forward part's hidden layer, in widths.
    """

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention, self.norm_feed = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"], first: int | None = None) -> Float[Tensor, "B _ D"]:
        """Attend to the tokens that are there, at least one a sample; the others must be finite.

        Only the `first` so many tokens are worked out, where the rest is not needed; None is all.
        """
        query, key, value = self.split(x)
        if first is not None:
            query, x = query[:, :, :first], x[:, :first]
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=rearrange(mask, "b l -> b 1 1 l"))
        x = x + self.project(rearrange(mixed, "b h l d -> b l (h d)"))
        return x + self.feed(self.norm_feed(x))

    def weights(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B H L L"]:
        """How `forward` mixes: what share each token (row) takes of each other one (column), by head; 0 for those that are not there."""
        query, key, _ = self.split(x)
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        return scores.masked_fill(~rearrange(mask, "b l -> b 1 1 l"), -torch.inf).softmax(-1)

    def split(self, x: Float[Tensor, "B L D"]) -> Float[Tensor, "3 B H L E"]:
        """Queries, keys and values of each head."""
        return rearrange(self.query_key_value(self.norm_attention(x)), "b l (three h d) -> three b h l d", three=3, h=self.heads)


def rolled(weights: Float[Tensor, "B H L L"], content: Float[Tensor, "B L M"]) -> Float[Tensor, "B L M"]:
    """Of what tokens are made after a layer: half of what they were before, for the residual, and half of what they attended to in the
    mean over the heads (attention rollout: Abnar & Zuidema 2020)."""
    return (content + weights.mean(1) @ content) / 2
