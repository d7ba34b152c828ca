"""The state after the last valid step of a padded batch."""

from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence


def last_states(rnn: nn.LSTM, x: Float[Tensor, "B T F"], length: Int[Tensor, " B"] | None) -> Float[Tensor, "B S"]:
    """Final hidden states of the top layer, both directions side by side; padding is never read."""
    # packing wants the lengths on the CPU
    read = x if length is None else pack_padded_sequence(x, length.cpu(), batch_first=True, enforce_sorted=False)
    _, (states, _) = rnn(read)
    directions = 2 if rnn.bidirectional else 1
    return rearrange(states[-directions:], "d b h -> b (d h)")
