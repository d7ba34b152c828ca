"""A multimodal model: an encoder for each modality, a fusion, a head."""

from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Inputs = dict[str, Tensor]
Out = dict[str, object]


class Model(nn.Module):
    """Encoders by modality name, a fusion, and a linear head.

    Args:
        encoders: modality -> module of the contract in `deconfuse/encoders`, all of one width.
        fusion: module of the contract in `deconfuse/fusion`.
        outputs: size of the vector that the fusion gives.
        statistics: modality -> (mean, standard deviation) of the train split, in the units of its array; none for token ids.
        prior: the logits that answer where nothing is present; as many as the head gives.
        dropout: probability that a feature before the head is zeroed in training.
    """

    def __init__(
        self,
        encoders: dict[str, nn.Module],
        fusion: nn.Module,
        outputs: int,
        statistics: dict[str, tuple[float, float]],
        prior: Float[Tensor, " K"],
        dropout: float,
    ) -> None:
        super().__init__()
        self.bf16: frozenset[str] = frozenset()
        """Names of the parts that compute in bf16, by autocast; weights, tokens and logits are fp32 all the same."""
        self.modalities = tuple(sorted(encoders))
        self.encoders = nn.ModuleDict({name: encoders[name] for name in self.modalities})
        self.fusion = fusion
        self.statistics = dict(statistics)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(outputs, len(prior))
        self.log_prior: Tensor
        # of one class among several it is the logarithm of its share; files of weights know all by this name
        self.register_buffer("log_prior", prior)

    def forward(
        self, inputs: Inputs, lengths: dict[str, Int[Tensor, " B"]], present: dict[str, Bool[Tensor, " B"]]
    ) -> tuple[Float[Tensor, "B K"], Out]:
        """Logits, and `out` with each encoder's and the fusion's intermediates; an encoder's `input` is what it was given.

        Args:
            inputs: modality -> its array as stored; rows that lack the modality may hold anything.
            lengths: modality -> valid steps, for modalities that have a time axis.
            present: modality -> which samples have it.
        """
        tokens, masks, out = {}, {}, {}
        for name in self.modalities:
            x = self.normalised(name, inputs[name])
            with self.casting(f"encoders.{name}", x.device):
                encoded, given = self.encoders[name](x, lengths.get(name))
            tokens[name] = encoded.float()
            masks[name] = given["mask"] & present[name][:, None]
            out[name] = {**given, "input": x}
        with self.casting("fusion", self.log_prior.device):
            fused, out["fusion"] = self.fusion(tokens, masks)
        fused = fused.float()
        anything = torch.stack([present[name] for name in self.modalities]).any(0)
        logits = torch.where(anything[:, None], self.head(self.dropout(fused)), self.log_prior)
        return logits, {**out, "fused": fused}

    def parts(self) -> dict[str, nn.Module]:
        """Those whose precision can be chosen, by the names of their weights."""
        return {f"encoders.{name}": self.encoders[name] for name in self.modalities} | {"fusion": self.fusion}

    def casting(self, part: str, device: torch.device) -> AbstractContextManager[object]:
        """Where what a part computes is cast."""
        return torch.autocast(device.type, torch.bfloat16) if part in self.bf16 else nullcontext()

    def normalised(self, name: str, x: Tensor) -> Tensor:
        """Values with mean 0 and standard deviation 1 over the train split; token ids as they are."""
        if name not in self.statistics:
            return x.long()
        mean, deviation = self.statistics[name]
        return (x.float() - mean) / deviation
