"""A modality as a few numbers a row.

Axes: N rows, F numbers of a sample, T tokens, D features.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

KEPT = 64
"""Features of a modality at most."""

Reduce = Callable[[Shaped[np.ndarray, "N F"], Bool[np.ndarray, " N"]], Float[np.ndarray, "N D"]]


def reduced(values: Shaped[np.ndarray, "N F"], present: Bool[np.ndarray, " N"], vocabulary: int, seed: int) -> Reduce:
    """How values and presence become features, learnt from train rows without their labels.

    Numbers are standardised and reduced by principal components (randomised: Halko et al. 2011), token ids made a bag weighted by tf-idf
    (Sparck Jones 1972) and reduced by a truncated singular value decomposition. All modalities get the same total variance of 1. A
    missing one is the train mean and, where train rows lack it, too, a 1 in a column of its own.
    """
    if not present.any():
        return lambda values, present: np.zeros((len(values), 1))
    change = bags(values[present], vocabulary, seed) if vocabulary else components(values[present], seed)
    x = change(values[present])
    mean, spread = x.mean(0), np.sqrt(x.var(0).sum())
    is_whole = bool(present.all())

    def reduce(values: Shaped[np.ndarray, "N F"], present: Bool[np.ndarray, " N"]) -> Float[np.ndarray, "N D"]:
        features = np.zeros((len(values), len(mean)))
        if present.any():
            features[present] = (change(values[present]) - mean) / (spread if spread > 0 else 1.0)
        return features if is_whole else np.column_stack([features, ~present])

    return reduce


def components(values: Shaped[np.ndarray, "N F"], seed: int) -> Callable[[np.ndarray], Float[np.ndarray, "N D"]]:
    """Standardised, and the first principal components of what then has more than a few numbers."""
    from sklearn.decomposition import PCA

    mean, deviation = values.mean(0, dtype=np.float64).astype(np.float32), values.std(0, dtype=np.float64).astype(np.float32)
    # what hardly varies in train rows, e.g. a picture's margin, tells nothing
    scale = np.where(deviation > 1e-6 * (1 + np.abs(mean)), 1 / np.maximum(deviation, 1e-30), 0)

    def standard(values: Shaped[np.ndarray, "N F"]) -> Float[np.ndarray, "N F"]:
        return (values - mean) * scale

    if values.shape[1] <= KEPT:
        return lambda values: standard(values).astype(float)
    fitted = PCA(min(KEPT, len(values)), svd_solver="randomized", random_state=seed).fit(standard(values))
    return lambda values: fitted.transform(standard(values)).astype(float)


def bags(values: Int[np.ndarray, "N T"], vocabulary: int, seed: int) -> Callable[[np.ndarray], Float[np.ndarray, "N D"]]:
    """How often each token occurs, weighted and reduced."""
    from scipy.sparse import csr_array
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer

    def counts(values: Int[np.ndarray, "N T"]) -> csr_array:
        row, step = np.nonzero(values)
        return csr_array((np.ones(len(row)), (row, values[row, step])), shape=(len(values), vocabulary))

    weights = TfidfTransformer().fit(counts(values))
    if vocabulary <= KEPT:
        return lambda values: weights.transform(counts(values)).toarray()
    fitted = TruncatedSVD(KEPT, random_state=seed).fit(weights.transform(counts(values)))
    return lambda values: fitted.transform(weights.transform(counts(values)))
