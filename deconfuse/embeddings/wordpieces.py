"""Texts as the token ids of a pretrained network."""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Int
from pydantic import Field

from deconfuse.embeddings import Embedding, Values
from deconfuse.embeddings._padded import padded
from deconfuse.networks import Pieces


class Wordpieces(Embedding):
    """Pieces of words as a pretrained network's own tokenizer numbers them, with its marks for begin and end (e.g. Wu et al. 2016).

    Beyond a text's end the ids are 0, whatever the tokenizer pads with: the lengths tell where it ends.
    """

    layouts = {"text": "tokens"}

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        network: Annotated[
            str,
            Field(min_length=1, description="The network whose tokenizer is used: its name on the hub of transformers, or a local folder."),
        ] = "google-bert/bert-base-uncased",
        length: Annotated[int, Field(ge=3, le=65_536, description="Pieces kept of a text, begin and end included.")] = 128,
    ) -> None:
        super().__init__(schema)
        self.limit, self.longest = length, 1
        self.pieces = Pieces(network, f"embed.{schema['name']}")

    def fit(self, train: Values) -> None:
        self.longest = max([1, *map(len, self.pieces(list(train), self.limit))])

    def restore(self, spec: dict[str, Any]) -> None:
        self.longest = spec["shape"][0]

    def __call__(self, values: Values, length: Int[np.ndarray, " N"] | None) -> tuple[Int[np.ndarray, "N T"], Int[np.ndarray, " N"]]:
        return padded(self.pieces(list(values), self.longest), self.longest)

    def tokens(self, text: str) -> list[str]:
        return self.pieces.spelled(text, self.longest)

    def state(self) -> dict[str, Any]:
        return {"unknown": self.pieces.unknown, "vocabulary": self.pieces.vocabulary}
