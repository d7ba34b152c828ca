"""Recurrent network for texts, and for sounds as sequences of frames."""

from typing import Annotated

import torch
from jaxtyping import Float, Int, Shaped
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._recurrent import last_states


class Lstm(Encoder):
    """Stacked LSTM (Hochreiter & Schmidhuber 1997) whose states after the last valid step are one token."""

    layouts = ("tokens", "frames")

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        hidden: Annotated[int, Field(ge=1, le=8192, description="Size of the state, in each direction.")] = 64,
        layers: Annotated[int, Field(ge=1, le=16, description="Layers, each reading the states of the one below.")] = 2,
        bidirectional: Annotated[bool, Field(description="Read the sequence from both ends.")] = True,
        embedding: Annotated[int, Field(ge=1, le=8192, description="Size of a token's embedding (layout `tokens` only).")] = 32,
    ) -> None:
        super().__init__()
        is_tokens = spec.layout == "tokens"
        self.embed = nn.Embedding(spec.vocabulary, embedding, padding_idx=0) if is_tokens else nn.Identity()
        inputs = embedding if is_tokens else spec.shape[-1]
        self.rnn = nn.LSTM(inputs, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.project = nn.Linear(hidden * (2 if bidirectional else 1), width)

    def forward(
        self, x: Shaped[Tensor, "B T ..."], length: Int[Tensor, " B"] | None = None
    ) -> tuple[Float[Tensor, "B L D"], Out]:
        tokens = self.project(last_states(self.rnn, self.embed(x), length))[:, None]
        return tokens, {"mask": torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device)}
