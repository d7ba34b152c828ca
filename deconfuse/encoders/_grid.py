"""Feature maps to tokens, for all encoders that see their input as a picture."""

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from deconfuse.encoders import Out, Spec


def channels_of(spec: Spec) -> int:
    """Channels of the picture that `picture` makes."""
    return spec.shape[0] if spec.layout == "image" else 1


def picture(x: Float[Tensor, "B ..."]) -> Float[Tensor, "B C H W"]:
    """A sound (B, T, F) as a picture of one channel; its window is fixed, so silence at its end is part of the picture."""
    return x if x.dim() == 4 else rearrange(x, "b t f -> b 1 t f")


class GridTokens(nn.Module):
    """Adaptive average pooling to a square grid, and a linear map of each of its places to one token."""

    def __init__(self, channels: int, width: int, side: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(side)
        self.project = nn.Linear(channels, width)
        self.grid = (side, side)

    def forward(self, features: Float[Tensor, "B C H W"]) -> tuple[Float[Tensor, "B L D"], Out]:
        tokens = self.project(rearrange(self.pool(features), "b c h w -> b (h w) c"))
        mask = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return tokens, {"mask": mask, "grid": self.grid}
