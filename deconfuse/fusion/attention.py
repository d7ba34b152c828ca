"""Self-attention over the tokens of all modalities."""

from typing import Annotated, cast

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.attention_layer import Layer, rolled
from deconfuse.fusion import Fusion, Out, in_all_one


class Attention(Fusion):
    """A class token attends to all tokens, each marked by an embedding of its modality (Vaswani et al. 2017; Devlin et al. 2019).

    Layers normalise before attention and before the feed-forward part (Xiong et al. 2020).
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        heads: Annotated[int, Field(ge=1, le=256, description="Attention heads; the width must be a multiple.")] = 4,
        layers: Annotated[int, Field(ge=1, le=64, description="Layers of self-attention and feed-forward.")] = 1,
        expansion: Annotated[int, Field(ge=1, le=16, description="Size of the feed-forward part's hidden layer, in widths.")] = 2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide the width {width}")
        self.modalities = tuple(sorted(modalities))
        self.out_dim = width
        self.class_token = nn.Parameter(torch.randn(width) * 0.02)
        self.kind = nn.ParameterDict({name: nn.Parameter(torch.randn(width) * 0.02) for name in self.modalities})
        self.layers = nn.ModuleList(Layer(width, heads, expansion) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        x, mask = self.beside(tokens, masks)
        *others, last = self.layers
        for layer in others:
            x = layer(x, mask)
        # of the last one only the class token is read: less than half of a layer's work
        return self.norm(last(x, mask, 1)[:, 0]), {}

    def shares(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> dict[str, Float[Tensor, " B"]]:
        """Of which modalities the class token's content is, by attention rollout (Abnar & Zuidema 2020)."""
        x, mask = self.beside(tokens, masks)
        kinds = torch.eye(len(self.modalities), device=x.device)
        counts = torch.tensor([tokens[name].shape[1] for name in self.modalities], device=x.device)
        content = torch.cat([kinds.new_zeros(1, len(kinds)), kinds.repeat_interleave(counts, 0)]).expand(len(x), -1, -1)
        for layer in cast("list[Layer]", self.layers):
            content, x = rolled(layer.weights(x, mask), content), layer(x, mask)
        return in_all_one(content[:, 0], self.modalities)

    def beside(
        self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]
    ) -> tuple[Float[Tensor, "B L D"], Bool[Tensor, "B L"]]:
        """The class token and all others, and which of them are there."""
        batch = tokens[self.modalities[0]].shape[0]
        parts = [self.class_token.expand(batch, 1, -1)]
        # zeros for what is missing: even a weight of 0 would let NaN through
        parts += [torch.where(masks[name][..., None], tokens[name] + self.kind[name], 0.0) for name in self.modalities]
        x = torch.cat(parts, dim=1)
        # the class token is always there, so no row of the attention is ever empty
        mask = torch.cat([torch.ones_like(masks[self.modalities[0]][:, :1]), *(masks[name] for name in self.modalities)], dim=1)
        return x, mask
