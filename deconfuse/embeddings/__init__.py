"""What every embedding keeps to: a modality as `preprocess` left it in, the array that models read out.

An embedding is frozen: it may learn from the train split once (a vocabulary), never from labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int, Shaped

Values = Sequence[Any] | np.ndarray
"""Arrays with samples along the first axis, or a list of texts (None where missing)."""


class Embedding(ABC):
    """Turns prepared values into arrays; options are keyword-only."""

    layouts: ClassVar[dict[str, str]]
    """Kind of media that the embedding reads -> layout of what it gives (see `deconfuse/encoders`)."""
    is_slow: ClassVar[bool] = False
    """Whether every sample goes through a large network."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """`schema` describes the modality: kind, shape, dtype, rate (hertz)."""
        self.schema = schema

    def fit(self, train: Values) -> None:
        """Learn what has to be learnt from the train split, without labels."""
        return

    def restore(self, spec: dict[str, Any]) -> None:
        """Take up what `fit` learnt, in its place, from the `spec.json` that was made of it: what `state` gave, and `shape`."""
        return

    @abstractmethod
    def __call__(
        self, values: Values, length: Int[np.ndarray, " N"] | None
    ) -> tuple[Shaped[np.ndarray, "N ..."], Int[np.ndarray, " N"] | None]:
        """Embed some samples: the array, and the valid steps of each (at least 1), or None where there is no time axis."""

    def tokens(self, text: str) -> list[str]:
        """Of a text what the steps of its array stand for; nothing where no texts are read."""
        return []

    def state(self) -> dict[str, Any]:
        """What `fit` learnt, as JSON; `vocabulary` is the number of token ids, 0 where there are none, `unknown` the id of the unknown."""
        return {"vocabulary": 0}
