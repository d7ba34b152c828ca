"""What every encoder keeps to: one modality's array in, tokens of one width out.

Axes: B samples, L tokens, D the width that all modalities share; image (B, C, H, W), video (B, T, C, H, W),
frames (B, T, F), token ids (B, T).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

Layout = Literal["image", "video", "frames", "tokens"]
Out = dict[str, object]


@dataclass(frozen=True)
class Spec:
    """What one modality's array looks like."""

    layout: Layout
    """The meaning of its axes."""
    shape: tuple[int, ...]
    """Shape of one sample."""
    vocabulary: int = 0
    """Number of token ids for the layout `tokens`; id 0 is padding."""


class Encoder(nn.Module, ABC):
    """Turns one modality into tokens.

    A subclass is called with its `Spec` and the width D; its options are keyword-only. Where it rectifies it does so by modules, each
    used once: explanations reach them there.
    """

    layouts: ClassVar[tuple[Layout, ...]]
    """The layouts that the encoder reads."""
    reconstructs: ClassVar[bool] = False
    """Whether `out` has a `reconstruction`, of the shape of `x`."""

    @classmethod
    def check(cls, spec: Spec | None, width: int, **options: Any) -> None:
        """Raise UserError where options cannot be had at a width or for a spec (None as long as it is not known): this is asked before
        any data is there, and must cost next to nothing."""
        return

    @property
    def vectors(self) -> nn.Embedding | None:
        """The table that turns token ids into vectors; None where `x` is values."""
        return None

    @abstractmethod
    def forward(self, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        """Encode a batch.

        Args:
            x: normalised values, or token ids.
            length: valid steps along the time axis (T) of each sample, at least 1; None where all are valid. What lies
                beyond has no influence, but where a sound is read as a picture of a fixed window, its silent end included.

        Returns:
            The tokens, and `out`: `mask` (B, L), which tokens are valid; `grid` (H', W') where tokens lie on a grid, row by row;
            `reconstruction`, `x` as given back by an encoder that `reconstructs`.
        """


def valid(length: Int[Tensor, " B"] | None, x: Tensor, steps: int) -> Bool[Tensor, "B T"]:
    """Which of `steps` time steps of each sample of `x` are within its length."""
    if length is None:
        return torch.ones(x.shape[0], steps, dtype=torch.bool, device=x.device)
    return torch.arange(steps, device=x.device) < length[:, None]
