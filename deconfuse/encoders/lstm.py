"""Recurrent network for texts, for sounds as sequences of frames, and for clips as sequences of pictures."""

import math
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int, Shaped
from pydantic import Field
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec
from deconfuse.encoders._recurrent import States, pooled


class Lstm(Encoder):
    """Stacked LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014) over the valid steps; its states become one token.

    A frame of a clip is read as one vector of its pixels. The classical LSTM(64) - LSTM(64) - FC is `hidden: 64, layers: 2,
    bidirectional: false`; at a width of the number of classes the map to the token is its classifier: over 28 steps of 28
    values 57,994 parameters for 10 classes.
    """

    layouts = ("tokens", "frames", "video")

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        cell: Annotated[Literal["lstm", "gru"], Field(description="Kind of recurrent cell.")] = "lstm",
        hidden: Annotated[int, Field(ge=1, le=8192, description="Size of the state, in each direction.")] = 64,
        layers: Annotated[int, Field(ge=1, le=16, description="Layers, each reading the states of the one below.")] = 2,
        bidirectional: Annotated[bool, Field(description="Read the sequence from both ends.")] = True,
        pool: States = "last",
        embedding: Annotated[int, Field(ge=1, le=8192, description="Size of a token's embedding (layout `tokens` only).")] = 32,
    ) -> None:
        super().__init__()
        is_tokens = spec.layout == "tokens"
        self.embed = nn.Embedding(spec.vocabulary, embedding, padding_idx=0) if is_tokens else nn.Flatten(2)
        inputs = embedding if is_tokens else math.prod(spec.shape[1:])
        kind = nn.LSTM if cell == "lstm" else nn.GRU
        self.rnn = kind(inputs, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.pool = pooled(pool)
        self.project = nn.Linear(hidden * (2 if bidirectional else 1), width)

    @property
    def vectors(self) -> nn.Embedding | None:
        return self.embed if isinstance(self.embed, nn.Embedding) else None

    def forward(self, x: Shaped[Tensor, "B T ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        tokens = self.project(self.pool(self.rnn, self.embed(x), length))[:, None]
        return tokens, {"mask": torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device)}
