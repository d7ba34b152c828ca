"""Recurrent networks over padded batches; padding is never read."""

from collections.abc import Callable
from typing import Annotated, Literal

from einops import rearrange
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

States = Annotated[
    Literal["last", "mean"],
    Field(description="States of the top layer that become the token: each direction's `last`, or the `mean` over all valid steps."),
]


def pooled(states: str) -> Callable[..., Float[Tensor, "B S"]]:
    """The function that makes one vector of the states."""
    return last_states if states == "last" else mean_states


def last_states(rnn: nn.LSTM | nn.GRU, x: Float[Tensor, "B T F"], length: Int[Tensor, " B"] | None) -> Float[Tensor, "B S"]:
    """Final hidden states of the top layer, both directions side by side."""
    _, final = rnn(packed(x, length))
    # an LSTM has memory cells beside its states
    states = final[0] if isinstance(rnn, nn.LSTM) else final
    directions = 2 if rnn.bidirectional else 1
    return rearrange(states[-directions:], "d b h -> b (d h)")


def mean_states(rnn: nn.LSTM | nn.GRU, x: Float[Tensor, "B T F"], length: Int[Tensor, " B"] | None) -> Float[Tensor, "B S"]:
    """Mean over the valid steps of the top layer's hidden states, both directions side by side."""
    states, _ = rnn(packed(x, length))
    if length is None:
        return states.mean(1)
    # beyond the length the padded states are 0
    padded, steps = pad_packed_sequence(states, batch_first=True)
    return padded.sum(1) / steps[:, None].to(padded)


def packed(x: Float[Tensor, "B T F"], length: Int[Tensor, " B"] | None) -> Tensor | PackedSequence:
    """The valid steps alone; packing wants the lengths on the CPU."""
    return x if length is None else pack_padded_sequence(x, length.cpu(), batch_first=True, enforce_sorted=False)
