"""Late fusion: every modality votes for itself, and the votes are averaged."""

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from deconfuse.fusion import Fusion, Out, pooled


class Late(Fusion):
    """The mean, over the modalities that are present, of each one's own logits (decision fusion: Kittler et al. 1998, sum rule).

    What comes out is every modality's mean token e_m and a one, both divided by the number n of modalities present (zeros
    where missing). A linear map of that is the mean of (W_m e_m + b_m): its columns hold each modality's own classifier.
    """

    def __init__(self, modalities: tuple[str, ...], width: int) -> None:
        super().__init__()
        self.modalities = tuple(sorted(modalities))
        self.out_dim = len(self.modalities) * (width + 1)

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        """As the contract; `out["weights"]` is modality -> (B,), its share in the vote: 1/n, or 0 where missing."""
        there = torch.stack([masks[name].any(1) for name in self.modalities], dim=1)
        weights = there / there.sum(1, keepdim=True).clamp(min=1)
        means = torch.stack([pooled(tokens[name], masks[name]) for name in self.modalities], dim=1)
        votes = torch.cat([means, torch.ones_like(means[..., :1])], dim=-1) * weights[..., None]
        return rearrange(votes, "b m d -> b (m d)"), {"weights": dict(zip(self.modalities, weights.unbind(1), strict=True))}
