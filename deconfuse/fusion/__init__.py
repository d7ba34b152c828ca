"""What every fusion keeps to: tokens of named modalities in, one vector out; what is missing has no influence.

Axes: B samples, L tokens of a modality, D their width. Modalities come by name and are taken in sorted order,
so the order of a mapping never matters.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

Out = dict[str, object]


class Fusion(nn.Module, ABC):
    """Joins modalities.

    A subclass is called with the sorted names of the modalities and the width D; its options are keyword-only.
    """

    out_dim: int
    """Size of the vector that comes out."""

    @abstractmethod
    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        """Fuse a batch.

        Args:
            tokens: modality -> its tokens.
            masks: modality -> which tokens are there; all False where the sample lacks the modality. The other tokens'
                values, not even NaN, have no influence.

        Returns:
            One vector a sample, finite even where nothing is present; and `out`, named intermediates.
        """

    def shares(
        self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]
    ) -> dict[str, Float[Tensor, " B"]] | None:
        """Modality -> what share of its attention or gates a fusion gives it: 0 where missing, and in all 1 where anything is present.

        None where it weighs no modality against another, but by maps that hold for all samples.
        """
        return None


def in_all_one(weights: Float[Tensor, "B M"], modalities: tuple[str, ...]) -> dict[str, Float[Tensor, " B"]]:
    """Weights of the modalities as shares of their sum; zeros where that is 0."""
    shares = weights / weights.sum(1, keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    return dict(zip(modalities, shares.unbind(1), strict=True))


def pooled(tokens: Float[Tensor, "B L D"], mask: Bool[Tensor, "B L"]) -> Float[Tensor, "B D"]:
    """The mean over the tokens that are there; zeros where none is."""
    there = mask[..., None]
    # where, not a product: NaN times zero is NaN
    total = torch.where(there, tokens, 0.0).sum(1)
    return total / there.sum(1).clamp(min=1)
