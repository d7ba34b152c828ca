"""Texts as sequences of word vectors that were learned elsewhere."""

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from deconfuse.embeddings import Embedding, Values
from deconfuse.embeddings._words import split
from deconfuse.kernel.errors import UserError


class WordVectors(Embedding):
    """Each lower-cased word the vector that a GloVe (Pennington et al. 2014) or word2vec (Mikolov et al. 2013) text file has for it.

    A word that the file lacks is all zeros, or the mean vector over the distinct words of the train split that it has; what
    lies beyond a text's end is all zeros.
    """

    layouts = {"text": "frames"}

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        path: Annotated[
            str,
            Field(
                min_length=1,
                description="File of vectors: a word and its numbers on each line, with or without word2vec's first line of two counts.",
            ),
        ] = "data/sources/vectors.txt",
        length: Annotated[int, Field(ge=1, le=65_536, description="Words kept of a text.")] = 64,
        unknown: Annotated[Literal["zeros", "mean"], Field(description="Vector of a word that the file lacks.")] = "zeros",
    ) -> None:
        super().__init__(schema)
        self.key = f"embed.{schema['name']}.path"
        self.path, self.limit, self.unknown = Path(path), length, unknown
        self.longest = 1
        self.size, self.places = index(self.path, self.key)
        self.missing = np.zeros(self.size, np.float32)
        self.known: dict[str, Float[np.ndarray, " F"]] = {}
        self.share: float | None = None

    def fit(self, train: Values) -> None:
        texts = [split(text) for text in train]
        self.longest = min(self.limit, max([1, *map(len, texts)]))
        words = sorted(set().union(*texts))
        self.look_up(words)
        found = [self.known[word] for word in words if word in self.known]
        self.share = len(found) / max(1, len(words))
        if found and self.unknown == "mean":
            self.missing = np.mean(found, axis=0)

    def restore(self, spec: dict[str, Any]) -> None:
        self.missing, self.longest = np.array(spec["missing"], np.float32), spec["shape"][0]

    def __call__(self, values: Values, length: Int[np.ndarray, " N"] | None) -> tuple[Float[np.ndarray, "N T F"], Int[np.ndarray, " N"]]:
        texts = [split(text)[: self.longest] for text in values]
        self.look_up(sorted(set().union(*texts)))
        vectors = np.zeros((len(values), self.longest, self.size), np.float32)
        for row, text in enumerate(texts):
            for step, word in enumerate(text):
                vectors[row, step] = self.known.get(word, self.missing)
        return vectors, np.array([max(1, len(text)) for text in texts], np.int32)

    def tokens(self, text: str) -> list[str]:
        return split(text)[: self.longest]

    def state(self) -> dict[str, Any]:
        """`share` is the share of the train split's distinct words that the file has, `missing` the vector of those that it lacks."""
        return {"vocabulary": 0, "share": self.share, "missing": self.missing.tolist()}

    def look_up(self, words: list[str]) -> None:
        """Read the vectors of words that were not asked for before."""
        with self.path.open("rb") as file:
            for word in words:
                if word in self.places and word not in self.known:
                    file.seek(self.places[word])
                    self.known[word] = self.vector(word, file.readline())

    def vector(self, word: str, line: bytes) -> Float[np.ndarray, " F"]:
        try:
            vector = np.array(line.split()[-self.size :], np.float32)
        except ValueError:
            raise UserError(f"{self.key}: in {self.path} the vector of {word!r} has something that is no number") from None
        if not np.isfinite(vector).all():
            raise UserError(f"{self.key}: in {self.path} the vector of {word!r} is not finite")
        return vector


def index(path: Path, key: str) -> tuple[int, dict[str, int]]:
    """Numbers in a vector, and the byte at which each word's line begins; the first line of a word counts.

    Only places are kept: files of millions of words are read with the memory of their words alone. Raises UserError.
    """
    size, at, places = 0, 0, {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                fields = line.split()
                # word2vec begins with the number of words and the size
                if number > 1 or len(fields) != 2:
                    size = size or len(fields) - 1
                    if size < 1 or len(fields) <= size:
                        raise UserError(
                            f"{key}: line {number} of {path} has {len(fields)} fields, but a word and {size or 'its'} numbers are needed"
                        )
                    # a few words of GloVe's largest file hold spaces
                    places.setdefault(b" ".join(fields[:-size]).decode("utf-8", "replace"), at)
                at += len(line)
    except OSError as error:
        raise UserError(f"{key}: {path} cannot be read ({error.strerror}); name a GloVe or word2vec text file there") from None
    if not places:
        raise UserError(f"{key}: {path} holds no vectors; name a GloVe or word2vec text file there")
    return size, places
