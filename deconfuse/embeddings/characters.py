"""Texts as sequences of characters."""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Int
from pydantic import Field

from deconfuse.embeddings import Embedding, Values
from deconfuse.embeddings._padded import padded

UNKNOWN, FIRST = 1, 2


class Characters(Embedding):
    """Each character a token id: 0 padding, 1 a character that the train split does not have, from 2 the others in code point order."""

    layouts = {"text": "tokens"}

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        length: Annotated[int, Field(ge=1, le=65_536, description="Characters kept of a text.")] = 128,
    ) -> None:
        super().__init__(schema)
        self.limit = length
        self.longest = 1
        self.alphabet: list[str] = []

    def fit(self, train: Values) -> None:
        texts = [text for text in train if text is not None]
        self.alphabet = sorted(set().union(*texts))
        self.longest = min(self.limit, max([1, *map(len, texts)]))

    def restore(self, spec: dict[str, Any]) -> None:
        self.alphabet, self.longest = spec["alphabet"], spec["shape"][0]

    def __call__(self, values: Values, length: Int[np.ndarray, " N"] | None) -> tuple[Int[np.ndarray, "N T"], Int[np.ndarray, " N"]]:
        ids = {character: FIRST + place for place, character in enumerate(self.alphabet)}
        return padded([[ids.get(character, UNKNOWN) for character in (text or "")[: self.longest]] for text in values], self.longest)

    def tokens(self, text: str) -> list[str]:
        return list(text[: self.longest])

    def state(self) -> dict[str, Any]:
        return {"unknown": UNKNOWN, "vocabulary": FIRST + len(self.alphabet), "alphabet": self.alphabet}
