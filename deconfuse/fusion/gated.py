"""Gated fusion: for each feature, a learned share of each modality."""

from typing import Annotated, Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn

from deconfuse.fusion import Fusion, Out, in_all_one, pooled


class Gated(Fusion):
    """Gated multimodal unit (Arevalo et al. 2017): a sum of tanh features of each modality, weighted by gates that see all modalities.

    With `softmax` the gates of a feature sum to 1 over the modalities that are present: for two modalities that is the paper's
    z and 1 - z. With `sigmoid` each gate stands alone, which is the paper's form for more than two.
    """

    def __init__(
        self,
        modalities: tuple[str, ...],
        width: int,
        *,
        hidden: Annotated[int, Field(ge=1, le=65_536, description="Number of features and of gates of each modality.")] = 128,
        gate: Annotated[
            Literal["softmax", "sigmoid"], Field(description="Whether the modalities compete for a feature, or each gate stands alone.")
        ] = "softmax",
    ) -> None:
        super().__init__()
        self.modalities = tuple(sorted(modalities))
        self.out_dim = hidden
        self.gate = gate
        self.features = nn.ModuleDict({name: nn.Linear(width, hidden) for name in self.modalities})
        self.scores = nn.Linear(len(self.modalities) * width, len(self.modalities) * hidden)

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        """As the contract; `out["gates"]` is modality -> (B, O), each from 0 to 1, and 0 where the modality is missing."""
        means = {name: pooled(tokens[name], masks[name]) for name in self.modalities}
        features = torch.stack([self.features[name](means[name]).tanh() for name in self.modalities], dim=1)
        beside = torch.cat([means[name] for name in self.modalities], dim=-1)
        scores = rearrange(self.scores(beside), "b (m h) -> b m h", m=len(self.modalities))
        there = torch.stack([masks[name].any(1) for name in self.modalities], dim=1)
        gates = self.opened(scores, there[..., None])
        return (gates * features).sum(1), {"gates": dict(zip(self.modalities, gates.unbind(1), strict=True))}

    def shares(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> dict[str, Float[Tensor, " B"]]:
        """Of the gates' sum over all features."""
        gates = self(tokens, masks)[1]["gates"]
        return in_all_one(torch.stack([gates[name].sum(1) for name in self.modalities], dim=1), self.modalities)

    def opened(self, scores: Float[Tensor, "B M H"], there: Bool[Tensor, "B M 1"]) -> Float[Tensor, "B M H"]:
        """Scores to gates; what is missing gets 0 and takes no share."""
        if self.gate == "sigmoid":
            return torch.where(there, scores.sigmoid(), 0.0)
        # the lowest number, not -inf, which would make NaN of a row without any modality, if only on the way
        shares = torch.where(there, scores, torch.finfo(scores.dtype).min).softmax(1)
        return torch.where(there, shares, 0.0)
