"""Transformer for texts, and for sounds as sequences of frames."""

from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float, Int, Shaped
from pydantic import Field
from torch import Tensor, nn

from deconfuse.attention_layer import Layer
from deconfuse.encoders import Encoder, Out, Spec, valid
from deconfuse.kernel.errors import UserError


class Transformer(Encoder):
    """Layers of self-attention over the valid steps, from scratch (Vaswani et al. 2017), normalised before each part (Xiong et al. 2020).

    With `pool: class` a class token in front is the only one that comes out (Devlin et al. 2019).
    """

    layouts = ("tokens", "frames")

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        heads: Annotated[int, Field(ge=1, le=256, description="Attention heads; the width must be a multiple.")] = 4,
        layers: Annotated[int, Field(ge=1, le=64, description="Layers of self-attention and feed-forward.")] = 2,
        expansion: Annotated[int, Field(ge=1, le=16, description="Size of the feed-forward part's hidden layer, in widths.")] = 2,
        positions: Annotated[
            Literal["sinusoidal", "learned"],
            Field(
                description="How a step's place is told: fixed sines and cosines (Vaswani et al. 2017), or a vector a step that is learned."
            ),
        ] = "sinusoidal",
        pool: Annotated[
            Literal["class", "steps"],
            Field(description="What comes out: the `class` token alone, or one token for each of the `steps`."),
        ] = "class",
    ) -> None:
        super().__init__()
        self.check(spec, width, heads=heads)
        is_tokens = spec.layout == "tokens"
        self.embed = nn.Embedding(spec.vocabulary, width, padding_idx=0) if is_tokens else nn.Linear(spec.shape[-1], width)
        self.class_token = nn.Parameter(torch.randn(width) * 0.02) if pool == "class" else None
        if positions == "learned":
            self.positions = nn.Parameter(torch.randn(spec.shape[0], width) * 0.02)
        else:
            # made anew from the params, so no part of the weights
            self.register_buffer("positions", sinusoids(spec.shape[0], width), persistent=False)
        self.layers = nn.ModuleList(Layer(width, heads, expansion) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    @classmethod
    def check(cls, spec: Spec | None, width: int, **options: Any) -> None:
        if width % options["heads"]:
            raise UserError(
                f"encoder `transformer`: {options['heads']} heads do not divide the width {width}; change `heads` or the model's `width`"
            )

    @property
    def vectors(self) -> nn.Embedding | None:
        return self.embed if isinstance(self.embed, nn.Embedding) else None

    def forward(self, x: Shaped[Tensor, "B T ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        mask = valid(length, x, x.shape[1])
        # zeros for what is not there, before and after: even a weight of 0 would let NaN through, forwards or backwards
        there = torch.where(mask if x.dim() == 2 else mask[..., None], x, 0)
        steps = torch.where(mask[..., None], self.embed(there) + self.positions[: x.shape[1]], 0.0)
        if self.class_token is not None:
            steps = torch.cat([self.class_token.expand(len(x), 1, -1), steps], dim=1)
            mask = torch.cat([torch.ones_like(mask[:, :1]), mask], dim=1)
        for layer in self.layers:
            steps = layer(steps, mask)
        kept = slice(None) if self.class_token is None else slice(1)
        return self.norm(steps[:, kept]), {"mask": mask[:, kept]}


def sinusoids(steps: int, width: int) -> Float[Tensor, "T D"]:
    """Sines in the even features, cosines in the odd ones; wavelengths climb from 2 pi to 20,000 pi steps."""
    rate = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angle = torch.arange(steps)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]
