"""How the fused embeddings lie: whether their clusters are the classes, and a map of them.

All by one thread: of so few rows several are no faster, and where other work has the cores they wait for each other most of the time.
"""

import numpy as np
from jaxtyping import Float

ROWS = 2000
"""Rows of the map and of the clusters; more are thinned out evenly."""
SEED = 0


def agreement(embeddings: Float[np.ndarray, "N D"], labels: np.ndarray, number: int) -> dict[str, float]:
    """k-means (Lloyd 1982, k-means++) with as many clusters as there are classes, against the classes.

    Returns:
        `nmi`, normalised mutual information, 0..1 (Strehl & Ghosh 2002); `ari`, adjusted Rand index, 0 by chance, at most 1 (Hubert &
        Arabie 1985); `silhouette`, of the classes, -1..1 (Rousseeuw 1987): how much nearer rows are to their own class than to the next.
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score, silhouette_score
    from threadpoolctl import threadpool_limits

    points = standardised(embeddings)
    with threadpool_limits(1):
        found = KMeans(number, n_init=4, random_state=SEED).fit_predict(points)
    return {
        "nmi": float(normalized_mutual_info_score(labels, found)),
        "ari": float(adjusted_rand_score(labels, found)),
        "silhouette": float(silhouette_score(points, labels)) if 1 < len(np.unique(labels)) < len(points) else float("nan"),
    }


def flattened(embeddings: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N 2"]:
    """The rows on a plane, neighbours near each other (t-SNE: van der Maaten & Hinton 2008); distances between groups mean little."""
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    points = standardised(embeddings)
    perplexity = min(30.0, (len(points) - 1) / 3)
    with threadpool_limits(1):
        return TSNE(perplexity=perplexity, init="pca", random_state=SEED, max_iter=500, n_jobs=1).fit_transform(points)


def standardised(embeddings: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    """Each number with mean 0 and standard deviation 1; what never changes is left out."""
    spread = embeddings.std(0)
    return ((embeddings - embeddings.mean(0)) / np.where(spread > 0, spread, 1))[:, spread > 0]


def thinned(rows: int) -> np.ndarray:
    """Places of at most ROWS rows, evenly chosen."""
    return np.linspace(0, rows - 1, min(rows, ROWS)).astype(int)
