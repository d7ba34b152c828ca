"""How well the classes of each sample are found."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from sklearn.metrics import average_precision_score, f1_score

from deconfuse.metrics import Facts, Figures, Metrics
from deconfuse.metrics._bootstrap import interval

THRESHOLD = 0.5


class MultiLabel(Metrics):
    """F1, average precision and cross-entropy of probabilities (N, K)."""

    main = "micro_f1"

    def figures(self, target: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"]) -> Figures:
        """`micro_f1` (over all decisions), `macro_f1` (mean over classes, 0 for a class neither present nor predicted),
        `mean_average_precision` (mean over the classes that some sample has), `exact_match` (share of samples with all classes
        right), `loss` (mean cross-entropy of a decision, nats) and `n`."""
        chosen, there = predicted > THRESHOLD, target > 0
        seen = there.any(0)
        precision = average_precision_score(there[:, seen], predicted[:, seen], average="macro")
        return {
            "micro_f1": float(micro_f1(self.terms(target, predicted).sum(0, keepdims=True))[0]),
            "macro_f1": float(f1_score(there, chosen, average="macro", zero_division=0)),
            "mean_average_precision": float(precision),
            "exact_match": float((there == chosen).all(1).mean()),
            "loss": cross_entropy(there, predicted),
            "n": len(target),
        }

    def terms(self, target: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N 2"]:
        """The hits, and the classes that are there or chosen."""
        chosen, there = predicted > THRESHOLD, target > 0
        return np.stack([(there & chosen).sum(1), there.sum(1) + chosen.sum(1)], 1).astype(float)

    def figure(self, sums: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, " ..."]:
        return micro_f1(sums)

    def bounds(self, terms: Float[np.ndarray, "S N 2"]) -> dict[str, tuple[float, float]]:
        return {"micro_f1": interval(terms, micro_f1)}

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted", "confidence", *(f"p:{name}" for name in facts["classes"])]

    def rows(self, target: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"], facts: Facts) -> Iterator[list[str]]:
        """Classes joined by the separator of the data, in order; `confidence` is the probability of the least sure decision."""
        for actual, shares in zip(target, predicted, strict=True):
            sets = [facts["separator"].join(np.array(facts["classes"])[has]) for has in (actual > 0, shares > THRESHOLD)]
            least = np.maximum(shares, 1 - shares).min()
            yield [*sets, *(f"{share:.6f}" for share in (least, *shares))]


def micro_f1(sums: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, " ..."]:
    """F1 from sums of the terms; every sample has a class, so they are never 0."""
    return 2 * sums[..., 0] / sums[..., 1]


def cross_entropy(there: np.ndarray, probability: np.ndarray) -> float:
    """Nats a decision; a certain and wrong one counts as the smallest probability that is no zero."""
    given = np.where(there, probability, 1 - probability)
    return float(-np.log(np.maximum(given, np.finfo(given.dtype).tiny)).mean())
