"""A model's answers on a whole split, batch after batch."""

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deconfuse.model.room import at_once


@torch.inference_mode()
def predict(model: nn.Module, data: Any) -> Float[Tensor, "N K"]:
    """Logits of every sample, in order."""
    return torch.cat([logits for _, logits, _ in answers(model, data, slice(0, len(data)))])


def answers(model: nn.Module, data: Any, rows: slice) -> Iterator[tuple[Any, Float[Tensor, "B K"], Any]]:
    """Batch after batch of the samples in `rows`, in order, with the logits and the `out` that the model gives for it."""
    model.eval()
    number = at_once(model, data)
    starts = range(rows.start, rows.stop, number)
    for batch in data.batches([slice(start, min(start + number, rows.stop)) for start in starts]):
        yield batch, *model(batch.inputs, batch.lengths, batch.present)
