"""The answer of the most similar rows."""

from collections.abc import Iterator, Sequence
from typing import Annotated

import numpy as np
from jaxtyping import Float
from pydantic import Field

from deconfuse.baselines import Baseline, Predict


class Neighbours(Baseline):
    """k-nearest neighbours by Euclidean distance, each with the same weight (Fix & Hodges 1951)."""

    def __init__(
        self,
        *,
        k: Annotated[
            Sequence[Annotated[int, Field(ge=1, le=1000)]],
            Field(min_length=1, description="Numbers of neighbours that validation chooses from."),
        ] = (1, 3, 7, 15, 31),
    ) -> None:
        self.k = sorted(set(k))

    def title(self, task: str) -> str:
        return "k-nearest neighbours"

    def fit(self, x: Float[np.ndarray, "N D"], target: Float[np.ndarray, "N K"], task: str) -> Predict:
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=min(self.k[-1], len(x)), algorithm="brute").fit(x)

        def predict(x: Float[np.ndarray, "N D"]) -> Iterator[tuple[str, Float[np.ndarray, "N K"]]]:
            nearest = index.kneighbors(x, return_distance=False)
            total, taken = np.zeros((len(x), target.shape[1])), 0
            for k in (k for k in self.k if k <= nearest.shape[1]):
                # one after another: all at once would be k times as large
                for place in range(taken, k):
                    total += target[nearest[:, place]]
                taken = k
                yield f"k = {k}", total / k

        return predict
