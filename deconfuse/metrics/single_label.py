"""How often the one class is right, and how well its probabilities fit."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from deconfuse.metrics import Facts, Metrics
from deconfuse.metrics._bootstrap import intervals
from deconfuse.metrics._classes import macro, share
from deconfuse.metrics._ranks import auroc, mean_of
from deconfuse.metrics._wilson import wilson

OWN = 5
"""Columns of the parts that are not a class's."""


class SingleLabel(Metrics):
    """Figures of probabilities (N, K)."""

    main = "accuracy"
    shown = ("accuracy", "macro_f1", "auroc", "loss", "brier")

    def parts(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N F"]:
        """1, whether the class is right, the cross-entropy, the Brier score, the pseudo-value of the AUROC; and for each class whether it
        is there, is said, and both."""
        there, said = (np.eye(predicted.shape[1])[each] for each in (target, predicted.argmax(1)))
        loss, brier = cross_entropy(target, predicted), self.brier(there, predicted)
        own = (np.ones(len(target)), (there * said).sum(1), loss, brier, self.ranks(there, predicted))
        return np.concatenate([np.stack(own, 1), there, said, there * said], 1)

    def of_sums(self, sums: Float[np.ndarray, "... F"]) -> dict[str, Float[np.ndarray, " ..."]]:
        """`accuracy`; `balanced_accuracy` (mean recall of the classes that are there); `macro_precision`, `macro_recall` and `macro_f1`
        (means over all classes); `auroc` (each class against the rest, the mean over those that are there; undefined with one class
        only); `loss` (mean cross-entropy, nats); `brier` (mean squared distance of the probabilities from the truth: 0..2, of two classes
        half of it, 0..1; Brier 1950)."""
        rows, right, loss, brier, ranks = np.moveaxis(sums[..., :OWN], -1, 0)
        counts = sums[..., OWN:].reshape(*sums.shape[:-1], 3, -1)
        there, hits = counts[..., 0, :], counts[..., 2, :]
        return {
            "accuracy": right / rows,
            "balanced_accuracy": share(hits, there).sum(-1) / np.maximum((there > 0).sum(-1), 1),
            **macro(counts),
            "auroc": np.clip(ranks / rows, 0, 1),
            "loss": loss / rows,
            "brier": brier / rows,
        }

    def ranks(self, there: np.ndarray, predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
        """The pseudo-values of the AUROC."""
        return mean_of(auroc, there > 0, predicted)

    def brier(self, there: np.ndarray, predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
        return ((predicted - there) ** 2).sum(1)

    def terms(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N 2"]:
        """1, and 1 where the class is right."""
        right = (predicted.argmax(1) == target).astype(float)
        return np.stack([np.ones_like(right), right], 1)

    def figure(self, sums: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, " ..."]:
        return sums[..., 1] / sums[..., 0]

    def bounds(self, parts: Float[np.ndarray, "S N F"], resamples: int) -> dict[str, tuple[float, float]]:
        return intervals(parts, self.of_sums, resamples) | {"accuracy": wilson(parts[..., 1].mean(0))}

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted", "confidence", *(f"p:{name}" for name in facts["classes"])]

    def rows(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"], facts: Facts) -> Iterator[list[str]]:
        """`confidence` is the probability of the predicted class."""
        classes = facts["classes"]
        for actual, shares in zip(target, predicted, strict=True):
            best = int(shares.argmax())
            yield [classes[actual], classes[best], *(f"{share:.6f}" for share in (shares[best], *shares))]


def cross_entropy(target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
    """Nats of each sample; a certain and wrong one counts as the least step of its type of number."""
    given = np.take_along_axis(predicted, target[:, None], 1)[:, 0]
    least = np.finfo(predicted.dtype).eps
    return -np.log(np.clip(given, least, 1 - least))
