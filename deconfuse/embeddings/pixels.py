"""Pictures and clips as they are."""

import numpy as np
from jaxtyping import Int, Shaped

from deconfuse.embeddings import Embedding, Values


class Pixels(Embedding):
    """The pixels, uint8 as stored; models normalise them on their own device."""

    layouts = {"image": "image", "video": "video"}

    def __call__(
        self, values: Values, length: Int[np.ndarray, " N"] | None
    ) -> tuple[Shaped[np.ndarray, "N ..."], Int[np.ndarray, " N"] | None]:
        return np.asarray(values), None if length is None else np.maximum(length, 1)
