"""What every explanation of a single answer keeps to: a map of the cells of a sample's input, one method a file.

Axes: B samples; the cells of a sample: of a picture (H, W), of frames (T, F), of a clip (T, H, W), of tokens (T).
"""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from deconfuse.explain._question import Question

Maps = dict[str, Float[Tensor, "B ..."]]
"""Modality -> a number for each cell of each sample; what a sample lacks, or lies beyond its length, is of no meaning."""


class Method(ABC):
    """A way to tell which cells an answer rests on."""

    adds_up: ClassVar[bool] = False
    """Whether the cells of all modalities sum to the answer less the answer to the baseline."""

    def rough(self) -> "Method":
        """The same for less work, good enough to be compared."""
        return self

    @abstractmethod
    def reaches(self, question: Question) -> list[str]:
        """The modalities that the method has maps for, sorted."""

    @abstractmethod
    def __call__(self, question: Question) -> Maps:
        """The maps of all modalities that the method reaches."""
