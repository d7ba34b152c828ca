"""The layer that the attention fusion and the transformer encoder are built of."""

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

    def forward(self, x: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B L D"]:
        """Attend to the tokens that are there, at least one a sample; the others must be finite."""
        split = rearrange(self.query_key_value(self.norm_attention(x)), "b l (three h d) -> three b h l d", three=3, h=self.heads)
        query, key, value = split
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=rearrange(mask, "b l -> b 1 1 l"))
        x = x + self.project(rearrange(mixed, "b h l d -> b l (h d)"))
        return x + self.feed(self.norm_feed(x))
