"""A multimodal model: an encoder for each modality, a fusion, a head."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from deconfuse.model.bf16 import bf16

Inputs = dict[str, Tensor]
Out = dict[str, object]
Encoded = tuple[Tensor, Tensor, Out]


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
        self.forms: dict[str, list[Callable[[Tensor], list[Tensor]]]] = {}
        """Modality -> what makes other samples of the same meaning: where the model answers, tokens are the mean of all of theirs."""
        self.each: Callable[[Mapping[str, Callable[[], Encoded]]], dict[str, Encoded]] | None = None
        """How training and validation work through the encoders, where not one after the other."""
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
        tokens, masks, out = self.encode(inputs, lengths, present)
        logits, joined = self.join(tokens, masks, present)
        return logits, {**out, **joined}

    def encode(
        self, inputs: Inputs, lengths: dict[str, Int[Tensor, " B"]], present: dict[str, Bool[Tensor, " B"]]
    ) -> tuple[dict[str, Float[Tensor, "B _ D"]], dict[str, Bool[Tensor, "B _"]], Out]:
        """The first half of `forward`: modality -> tokens, modality -> which of them are there, and `out` of each encoder."""
        steps = {name: self.steps(length, present[name]) for name, length in lengths.items()}
        work = {name: partial(self.encode_one, name, inputs[name], steps.get(name)) for name in self.modalities}
        # elsewhere somebody may look into an encoder's work, or want gradients of what it was given
        is_plain = torch.is_inference_mode_enabled() or (self.training and torch.is_grad_enabled())
        encoded = self.each(work) if self.each is not None and is_plain else {name: encode() for name, encode in work.items()}
        tokens, masks, out = {}, {}, {}
        for name, (found, there, more) in encoded.items():
            tokens[name], masks[name], out[name] = found, there & present[name][:, None], more
        return tokens, masks, out

    def steps(self, length: Int[Tensor, " B"], present: Bool[Tensor, " B"]) -> Int[Tensor, " B"]:
        """Valid steps; asked without learning, one where the modality is missing.

        Of a step recurrent networks compute all samples at once that have it, and by their number the rounding of each may differ. While
        learning, batch norm is to see whole samples.
        """
        return length if self.training else torch.where(present, length, 1)

    def encode_one(
        self, name: str, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None
    ) -> tuple[Float[Tensor, "B L D"], Bool[Tensor, "B L"], Out]:
        """Tokens of one modality, all of whose rows have it; which of them are valid; its encoder's `out`."""
        normalised = self.normalised(name, x)
        with self.casting(f"encoders.{name}", x.device):
            encoded, given = self.encoders[name](normalised, length)
            if name in self.forms and not self.training:
                others = self.others(name, normalised)
                encoded = sum((self.encoders[name](other, length)[0].float() for other in others), encoded.float()) / (1 + len(others))
        return encoded.float(), given["mask"], {**given, "input": normalised}

    def others(self, name: str, x: Tensor) -> list[Tensor]:
        """The other forms of a modality's samples, each way of making them on top of those before."""
        found = [x]
        for make in self.forms[name]:
            found += [other for one in found for other in make(one)]
        return found[1:]

    def join(
        self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]], present: dict[str, Bool[Tensor, " B"]]
    ) -> tuple[Float[Tensor, "B K"], Out]:
        """The second half of `forward`, from what `encode` gives: logits, and `out` of the fusion, whose vector is `fused`."""
        with self.casting("fusion", self.log_prior.device):
            fused, given = self.fusion(tokens, masks)
        fused = fused.float()
        anything = torch.stack([present[name] for name in self.modalities]).any(0)
        logits = torch.where(anything[:, None], self.head(self.dropout(fused)), self.log_prior)
        return logits, {"fusion": given, "fused": fused}

    def parts(self) -> dict[str, nn.Module]:
        """Those whose precision can be chosen, by the names of their weights."""
        return {f"encoders.{name}": self.encoders[name] for name in self.modalities} | {"fusion": self.fusion}

    def casting(self, part: str, device: torch.device) -> AbstractContextManager[object]:
        """Where what a part computes is cast."""
        return bf16(device) if part in self.bf16 else nullcontext()

    def normalised(self, name: str, x: Tensor) -> Tensor:
        """Values with mean 0 and standard deviation 1 over the train split; token ids as they are."""
        if name not in self.statistics:
            return x.long()
        mean, deviation = self.statistics[name]
        return (x.float() - mean) / deviation
