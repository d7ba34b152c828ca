"""Rows of a split with each modality encoded once, so that the same tokens can be joined again and again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.model.room import BATCH, at_once
from deconfuse.reading.streaming import Streamed

SEED = 0
"""Of the order in which rows are drawn: the same for every model, so that models are asked about the same rows."""
HELD = 2**28
"""Bytes of tokens that are held."""
JOINED = 2**19
"""Tokens that an analysis may join in all: about a second of attention on one core."""
LEAST = 30
"""Rows that are asked whatever they cost."""


@dataclass(frozen=True)
class Encoded:
    """Tokens of N rows of a split."""

    model: Model
    rows: Int[np.ndarray, " N"]
    """Their places in the split."""
    tokens: dict[str, Float[Tensor, "N _ D"]]
    masks: dict[str, Bool[Tensor, "N _"]]
    """Which tokens are there; of a row that lacks the modality none."""
    present: dict[str, Bool[Tensor, " N"]]

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, rows: int) -> "Encoded":
        """The first rows of these."""
        parts = ({name: x[:rows] for name, x in part.items()} for part in (self.tokens, self.masks, self.present))
        return replace(self, rows=self.rows[:rows], **dict(zip(("tokens", "masks", "present"), parts, strict=True)))

    def having(self, changed: Mapping[str, tuple[Float[Tensor, "N _ D"], Bool[Tensor, "N _"]]]) -> "Encoded":
        """The same rows with other tokens of some modalities; they lack what they lacked."""
        tokens = {name: new for name, (new, _) in changed.items()}
        masks = {name: valid & self.present[name][:, None] for name, (_, valid) in changed.items()}
        return replace(self, tokens=self.tokens | tokens, masks=self.masks | masks)

    def places(self) -> Int[Tensor, " N"]:
        """0 to N - 1: each row's own tokens."""
        return torch.arange(len(self), device=self.model.log_prior.device)

    @torch.inference_mode()
    def answers(self, taken: Mapping[str, Int[Tensor, " J"]]) -> Float[Tensor, "J K"]:
        """What the model says of J samples, the j-th of which has of each modality the tokens of row `taken[modality][j]`; modalities that
        are not among `taken`, of which there is one at least, are missing."""
        number = len(next(iter(taken.values())))
        starts = range(0, number, BATCH)
        return torch.cat([self.joined({name: at[start : start + BATCH] for name, at in taken.items()}) for start in starts])

    def joined(self, taken: Mapping[str, Int[Tensor, " B"]]) -> Float[Tensor, "B K"]:
        number = len(next(iter(taken.values())))
        parts: tuple[dict[str, Tensor], ...] = ({}, {}, {})
        for name in self.model.modalities:
            whole = self.tokens[name], self.masks[name], self.present[name]
            for part, x in zip(parts, whole, strict=True):
                # what is missing may have anybody's tokens
                part[name] = x.index_select(0, taken[name]) if name in taken else x[:1].expand(number, *x.shape[1:])
            if name not in taken:
                for part in parts[1:]:
                    part[name] = torch.zeros_like(part[name])
        return self.model.join(*parts)[0]


class Drawn:
    """A split's rows in an order drawn at random, encoded as far as they were asked for."""

    def __init__(self, model: Model, data: Dataset | Streamed) -> None:
        self.model, self.data = model, data
        self.order = np.random.default_rng(SEED).permutation(len(data))
        self.held: Encoded | None = None

    def first(self, rows: int, joins: int = 1) -> Encoded:
        """At most so many rows; fewer where memory has no room for their tokens, or where `joins` of each would take long."""
        held = self.encoded(min(rows, BATCH))
        tokens = sum(x.shape[1] for x in held.tokens.values())
        room = HELD // max(1, sum(x[0].numel() * x.element_size() for x in held.tokens.values()))
        affordable = max(LEAST, min(rows, room, JOINED // (joins * tokens)))
        return self.encoded(min(rows, affordable)).first(min(rows, affordable))

    @torch.inference_mode()
    def encoded(self, rows: int) -> Encoded:
        """At least so many rows of the split, as far as it has them."""
        done = [] if self.held is None else [self.held]
        start = sum(map(len, done))
        stop = min(rows, len(self.order))
        number = at_once(self.model, self.data)
        parts = [torch.from_numpy(self.order[here : min(here + number, stop)]) for here in range(start, stop, number)]
        for part, batch in zip(parts, self.data.batches(parts), strict=True):
            tokens, masks, _ = self.model.encode(batch.inputs, batch.lengths, batch.present)
            done.append(Encoded(self.model, part.numpy(), tokens, masks, batch.present))
        self.held = joined(done)
        return self.held


def joined(parts: list[Encoded]) -> Encoded:
    """All their rows, one after another."""
    if len(parts) == 1:
        return parts[0]
    tokens, masks, present = (
        {name: torch.cat([getattr(part, what)[name] for part in parts]) for name in parts[0].tokens}
        for what in ("tokens", "masks", "present")
    )
    return Encoded(parts[0].model, np.concatenate([part.rows for part in parts]), tokens, masks, present)
