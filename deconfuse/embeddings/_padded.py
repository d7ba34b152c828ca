"""Lists of token ids as one array."""

import numpy as np
from jaxtyping import Int


def padded(rows: list[list[int]], steps: int) -> tuple[Int[np.ndarray, "N T"], Int[np.ndarray, " N"]]:
    """Ids cut or filled with 0 to `steps`, and the valid ones of each row, at least 1."""
    tokens = np.zeros((len(rows), steps), np.int32)
    for row, ids in enumerate(rows):
        tokens[row, : len(ids)] = ids[:steps]
    return tokens, np.array([min(steps, max(1, len(ids))) for ids in rows], np.int32)
