"""What every augmentation keeps to: a batch of one modality in, the same batch changed a little, in training only.

It works on the array as stored, before the model normalises it, on its device and over all samples at once. All draws come from the
generator that is passed in, for the batch as a whole: how a sample is changed depends on its place in the batch and on the batch's
size, but on nothing that happened before. Missing samples hold another's values; they may be changed too, since they have no influence.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor


class Augmentation(ABC):
    """Changes one modality; options are keyword-only."""

    layouts: ClassVar[tuple[str, ...]]
    """The layouts (see `deconfuse/encoders`) that the augmentation changes."""

    def __init__(self, fill: float) -> None:
        """`fill` is the value that tells nothing, in the array's units: the train split's mean, or the token id of the unknown."""
        self.fill = fill

    @abstractmethod
    def __call__(self, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None, generator: torch.Generator) -> Shaped[Tensor, "B ..."]:
        """Change a batch; `x` itself stays, shape and dtype too.

        Args:
            x: values, or token ids.
            length: valid steps along the time axis of each sample; None where all are valid.
            generator: on the device of `x`.
        """

    @staticmethod
    def forms(x: Shaped[Tensor, "B ..."]) -> list[Shaped[Tensor, "B ..."]]:
        """Other samples of the same meaning, for a model that is asked: where an option `averaged` is set, it averages over all."""
        return []

    def covered(self, x: Shaped[Tensor, "B ..."], mask: Bool[Tensor, "..."]) -> Shaped[Tensor, "B ..."]:
        """`x` with `fill` where the mask is; in whole numbers where `x` is."""
        fill = self.fill if x.is_floating_point() else round(self.fill)
        return x.masked_fill(mask, fill)


def uniform(shape: tuple[int, ...], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Numbers from 0 to below 1 on the generator's device."""
    return torch.rand(shape, generator=generator, device=generator.device)


def whole(top: Int[Tensor, "..."], generator: torch.Generator) -> Int[Tensor, "..."]:
    """A whole number from 0 to `top`, each equally likely, for every entry of `top`."""
    return (uniform(tuple(top.shape), generator) * (top + 1)).long()
