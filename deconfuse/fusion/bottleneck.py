"""Attention bottlenecks: modalities speak to each other through a few shared tokens only."""

from typing import Annotated, cast

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.attention_layer import Layer, rolled
from deconfuse.fusion import Fusion, Out, in_all_one


class Bottleneck(Fusion):
    """Each modality has self-attention of its own over [class token, tokens, bottleneck tokens]; after every layer the bottleneck
    is the mean of what the modalities that are present made of it (Nagrani et al. 2021).

    What comes out is the mean of their class tokens, and a linear map of that is the paper's mean of their logits. The first layer
    fills the bottleneck and the next reads it, hence two layers at least; the encoders are the paper's layers below the fusion.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        bottlenecks: Annotated[int, Field(ge=1, le=1024, description="Shared tokens; the paper uses 4.")] = 4,
        heads: Annotated[int, Field(ge=1, le=256, description="Attention heads; the width must be a multiple.")] = 4,
        layers: Annotated[int, Field(ge=2, le=64, description="Layers of self-attention and feed-forward of each modality.")] = 2,
        expansion: Annotated[int, Field(ge=1, le=16, description="Size of the feed-forward parts' hidden layers, in widths.")] = 2,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{heads} heads do not divide the width {width}")
        self.modalities = tuple(sorted(modalities))
        self.out_dim = width
        self.shared = bottlenecks
        self.bottleneck = nn.Parameter(torch.randn(bottlenecks, width) * 0.02)
        self.class_tokens = nn.ParameterDict({name: nn.Parameter(torch.randn(width) * 0.02) for name in self.modalities})
        self.layers = nn.ModuleList(Exchange(self.modalities, width, heads, expansion) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        """As the contract; `out["classes"]` is modality -> (B, O), its class token: the head makes of it that modality's vote."""
        own, bottleneck, seen, there = self.begun(tokens, masks)
        *others, last = cast("list[Exchange]", self.layers)
        for layer in others:
            own, bottleneck = layer(own, bottleneck, seen, there)
        classes = {name: self.norm(token) for name, token in last.classes(own, bottleneck, seen).items()}
        return mean_over(classes, there)[:, 0], {"classes": {name: token[:, 0] for name, token in classes.items()}}

    def shares(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> dict[str, Float[Tensor, " B"]]:
        """Of which modalities the mean class token's content is, by attention rollout (Abnar & Zuidema 2020) through the bottleneck."""
        own, bottleneck, seen, there = self.begun(tokens, masks)
        kinds = torch.eye(len(self.modalities), device=bottleneck.device)
        content = {name: kind.expand(*own[name].shape[:2], -1).clone() for name, kind in zip(self.modalities, kinds, strict=True)}
        for part in content.values():
            part[:, 0] = 0
        passed = kinds.new_zeros(*bottleneck.shape[:2], len(kinds))
        for layer in cast("list[Exchange]", self.layers):
            weights = layer.weights(own, bottleneck, seen)
            both = {name: rolled(weights[name], torch.cat([content[name], passed], dim=1)) for name in self.modalities}
            content, passed = divided(both, self.shared, there)
            own, bottleneck = layer(own, bottleneck, seen, there)
        classes = mean_over({name: part[:, :1] for name, part in content.items()}, there)
        return in_all_one(classes[:, 0], self.modalities)

    def begun(
        self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]
    ) -> tuple[dict[str, Float[Tensor, "B _ D"]], Float[Tensor, "B N D"], dict[str, Bool[Tensor, "B _"]], Bool[Tensor, "M B"]]:
        """What the layers begin with: each modality's class token and tokens, the bottleneck, what is seen, what is there."""
        own = {name: self.with_class(name, tokens[name], masks[name]) for name in self.modalities}
        seen = {name: self.with_always_seen(masks[name]) for name in self.modalities}
        there = torch.stack([masks[name].any(1) for name in self.modalities])
        return own, self.bottleneck.expand(there.shape[1], -1, -1), seen, there

    def with_class(self, name: str, tokens: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B _ D"]:
        # zeros for what is missing: even a weight of 0 would let NaN through
        clean = torch.where(mask[..., None], tokens, 0.0)
        return torch.cat([self.class_tokens[name].expand(len(clean), 1, -1), clean], dim=1)

    def with_always_seen(self, mask: Bool[Tensor, "B L"]) -> Bool[Tensor, "B _"]:
        """Class and bottleneck tokens are always there, so no row of the attention is ever empty."""
        always = mask.new_ones(len(mask), 1)
        return torch.cat([always, mask, always.expand(-1, self.shared)], dim=1)


class Exchange(nn.Module):
    """One layer of every modality, and the bottleneck that they leave."""

    def __init__(self, modalities: tuple[str, ...], width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.of = nn.ModuleDict({name: Layer(width, heads, expansion) for name in modalities})

    def forward(
        self,
        own: dict[str, Float[Tensor, "B _ D"]],
        bottleneck: Float[Tensor, "B N D"],
        seen: dict[str, Bool[Tensor, "B _"]],
        there: Bool[Tensor, "M B"],
    ) -> tuple[dict[str, Float[Tensor, "B _ D"]], Float[Tensor, "B N D"]]:
        both = {name: layer(torch.cat([own[name], bottleneck], dim=1), seen[name]) for name, layer in self.of.items()}
        return divided(both, bottleneck.shape[1], there)

    def classes(
        self, own: dict[str, Float[Tensor, "B _ D"]], bottleneck: Float[Tensor, "B N D"], seen: dict[str, Bool[Tensor, "B _"]]
    ) -> dict[str, Float[Tensor, "B 1 D"]]:
        """Each modality's class token after the layer, by less than half of its work."""
        return {name: layer(torch.cat([own[name], bottleneck], dim=1), seen[name], 1) for name, layer in self.of.items()}

    def weights(
        self, own: dict[str, Float[Tensor, "B _ D"]], bottleneck: Float[Tensor, "B N D"], seen: dict[str, Bool[Tensor, "B _"]]
    ) -> dict[str, Float[Tensor, "B H _ _"]]:
        """How each modality's tokens and the bottleneck's, in this order, are mixed."""
        return {
            name: layer.weights(torch.cat([own[name], bottleneck], dim=1), seen[name])
            for name, layer in cast("dict[str, Layer]", self.of).items()
        }


def divided(
    both: dict[str, Float[Tensor, "B _ E"]], shared: int, there: Bool[Tensor, "M B"]
) -> tuple[dict[str, Float[Tensor, "B _ E"]], Float[Tensor, "B N E"]]:
    """Each modality's own tokens, and the mean of the `shared` last ones over the modalities that are there."""
    return {name: x[:, :-shared] for name, x in both.items()}, mean_over({name: x[:, -shared:] for name, x in both.items()}, there)


def mean_over(parts: dict[str, Float[Tensor, "B N D"]], there: Bool[Tensor, "M B"]) -> Float[Tensor, "B N D"]:
    """The mean of the parts of the modalities that are there; zeros where none is."""
    has = rearrange(there, "m b -> m b 1 1")
    return torch.where(has, torch.stack(list(parts.values())), 0.0).sum(0) / has.sum(0).clamp(min=1)
