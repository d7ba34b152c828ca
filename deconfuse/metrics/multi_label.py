"""How well the classes of each sample are found."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from deconfuse.metrics import Facts, Metrics
from deconfuse.metrics._bootstrap import intervals
from deconfuse.metrics._classes import macro, share
from deconfuse.metrics._ranks import auroc, average_precision, mean_of
from deconfuse.metrics._wilson import wilson

THRESHOLD = 0.5
OWN = 6
"""Columns of the parts that are not a class's."""


class MultiLabel(Metrics):
    """Figures of probabilities (N, K)."""

    main = "micro_f1"
    shown = ("micro_f1", "macro_f1", "mean_average_precision", "loss", "brier")

    def parts(self, target: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N F"]:
        """1, whether all classes are right, cross-entropy and Brier score of a decision, the pseudo-values of the mean average precision
        and of the AUROC; and for each class whether it is there, is said, and both."""
        there, said = target > 0, predicted > THRESHOLD
        right, brier = (there == said).all(1), ((predicted - there) ** 2).mean(1)
        ranks = (mean_of(figure, there, predicted) for figure in (average_precision, auroc))
        own = np.stack([np.ones(len(target)), right, cross_entropy(there, predicted), brier, *ranks], 1)
        return np.concatenate([own, there, said, there & said], 1)

    def of_sums(self, sums: Float[np.ndarray, "... F"]) -> dict[str, Float[np.ndarray, " ..."]]:
        """`micro_f1` (over all decisions); `macro_precision`, `macro_recall` and `macro_f1` (means over all classes);
        `mean_average_precision` (over the classes that some sample has), `auroc` (mean over those that some sample has and some has
        not); `exact_match` (share of samples with all classes right); `loss` (mean cross-entropy of a decision, nats); `brier` (mean
        squared distance of a decision's probability from the truth, 0..1)."""
        rows, right, loss, brier, precision, ranks = np.moveaxis(sums[..., :OWN], -1, 0)
        counts = sums[..., OWN:].reshape(*sums.shape[:-1], 3, -1)
        there, said, hits = np.moveaxis(counts.sum(-1), -1, 0)
        return {
            "micro_f1": share(2 * hits, there + said),
            **macro(counts),
            "mean_average_precision": np.clip(precision / rows, 0, 1),
            "auroc": np.clip(ranks / rows, 0, 1),
            "exact_match": right / rows,
            "loss": loss / rows,
            "brier": brier / rows,
        }

    def terms(self, target: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N 2"]:
        """The hits, and the classes that are there or said."""
        said, there = predicted > THRESHOLD, target > 0
        return np.stack([(there & said).sum(1), there.sum(1) + said.sum(1)], 1).astype(float)

    def figure(self, sums: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, " ..."]:
        return share(2 * sums[..., 0], sums[..., 1])

    def bounds(self, parts: Float[np.ndarray, "S N F"], resamples: int) -> dict[str, tuple[float, float]]:
        """Where all or no decisions are right, the main figure has the interval of the share of samples with all classes right."""
        return {self.main: wilson(parts[..., 1].mean(0))} | intervals(parts, self.of_sums, resamples)

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted", "confidence", *(f"p:{name}" for name in facts["classes"])]

    def rows(self, target: Float[np.ndarray, "N K"], predicted: Float[np.ndarray, "N K"], facts: Facts) -> Iterator[list[str]]:
        """Classes joined by the separator of the data, in order; `confidence` is the probability of the least sure decision."""
        for actual, shares in zip(target, predicted, strict=True):
            sets = [facts["separator"].join(np.array(facts["classes"])[has]) for has in (actual > 0, shares > THRESHOLD)]
            least = np.maximum(shares, 1 - shares).min()
            yield [*sets, *(f"{share:.6f}" for share in (least, *shares))]


def cross_entropy(there: np.ndarray, probability: np.ndarray) -> Float[np.ndarray, " N"]:
    """Nats a decision of each sample; a certain and wrong one counts as the smallest probability that is no zero."""
    given = np.where(there, probability, 1 - probability)
    return -np.log(np.maximum(given, np.finfo(given.dtype).tiny)).mean(1)
