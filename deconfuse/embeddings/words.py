"""Texts as sequences of words."""

from collections import Counter
from typing import Annotated, Any

import numpy as np
from jaxtyping import Int
from pydantic import Field

from deconfuse.embeddings import Embedding, Values
from deconfuse.embeddings._padded import padded
from deconfuse.embeddings._words import split

UNKNOWN, FIRST = 1, 2


class Words(Embedding):
    """Each lower-cased word or punctuation mark a token id.

    0 is padding, 1 a word that the train split lacks or has too rarely, from 2 on come the others in code point order.
    """

    layouts = {"text": "tokens"}

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        length: Annotated[int, Field(ge=1, le=65_536, description="Words kept of a text.")] = 64,
        minimum: Annotated[int, Field(ge=1, description="Times that a word must occur in the train split to have an id of its own.")] = 1,
    ) -> None:
        super().__init__(schema)
        self.limit, self.minimum = length, minimum
        self.longest = 1
        self.words: list[str] = []

    def fit(self, train: Values) -> None:
        texts = [split(text) for text in train]
        count = Counter(word for text in texts for word in text)
        self.words = sorted(word for word, times in count.items() if times >= self.minimum)
        self.longest = min(self.limit, max([1, *map(len, texts)]))

    def restore(self, spec: dict[str, Any]) -> None:
        self.words, self.longest = spec["words"], spec["shape"][0]

    def __call__(self, values: Values, length: Int[np.ndarray, " N"] | None) -> tuple[Int[np.ndarray, "N T"], Int[np.ndarray, " N"]]:
        ids = {word: FIRST + place for place, word in enumerate(self.words)}
        return padded([[ids.get(word, UNKNOWN) for word in split(text)] for text in values], self.longest)

    def tokens(self, text: str) -> list[str]:
        return split(text)[: self.longest]

    def state(self) -> dict[str, Any]:
        return {"unknown": UNKNOWN, "vocabulary": FIRST + len(self.words), "words": self.words}
