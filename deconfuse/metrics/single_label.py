"""How often the one class is right."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from deconfuse.metrics import Facts, Figures, Metrics

Z = 1.959963984540054
"""97.5 % of a normal distribution lie below."""


class SingleLabel(Metrics):
    """Accuracy, F1 and cross-entropy of probabilities (N, K)."""

    main = "accuracy"

    def figures(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Figures:
        """`accuracy`, `macro_f1` (mean F1 over all classes, 0 for a class neither present nor predicted), `loss` (mean cross-entropy,
        nats) and `n`."""
        best = predicted.argmax(1)
        return {
            "accuracy": float((best == target).mean()),
            "macro_f1": macro_f1(target, best, predicted.shape[1]),
            "loss": cross_entropy(target, predicted),
            "n": len(target),
        }

    def terms(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N 2"]:
        """1, and 1 where the class is right."""
        right = (predicted.argmax(1) == target).astype(float)
        return np.stack([np.ones_like(right), right], 1)

    def figure(self, sums: Float[np.ndarray, "... 2"]) -> Float[np.ndarray, " ..."]:
        return sums[..., 1] / sums[..., 0]

    def bounds(self, terms: Float[np.ndarray, "S N 2"]) -> dict[str, tuple[float, float]]:
        return {"accuracy": wilson(terms[..., 1].mean(0))}

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted", "confidence", *(f"p:{name}" for name in facts["classes"])]

    def rows(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"], facts: Facts) -> Iterator[list[str]]:
        """`confidence` is the probability of the predicted class."""
        classes = facts["classes"]
        for actual, shares in zip(target, predicted, strict=True):
            best = int(shares.argmax())
            yield [classes[actual], classes[best], *(f"{share:.6f}" for share in (shares[best], *shares))]


def macro_f1(target: Int[np.ndarray, " N"], best: Int[np.ndarray, " N"], classes: int) -> float:
    """The mean over the classes of twice the hits over how often the class is there or predicted."""
    # as scikit-learn has it, whose import would take 1.5 s of CPU a model
    hits = np.bincount(target[target == best], minlength=classes)
    either = np.bincount(target, minlength=classes) + np.bincount(best, minlength=classes)
    return float((2 * hits / np.maximum(either, 1)).mean())


def cross_entropy(target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> float:
    """Nats a sample; a certain and wrong one counts as the least step of its type of number."""
    given = np.take_along_axis(predicted, target[:, None], 1)[:, 0]
    least = np.finfo(predicted.dtype).eps
    return float(-np.log(np.clip(given, least, 1 - least)).mean())


def wilson(right: Float[np.ndarray, " N"]) -> tuple[float, float]:
    """The 95 % interval of the mean over samples of how often each is right, 0..1 (Wilson 1927).

    With one seed that is 0 or 1, and the interval is Wilson's own. Means over seeds vary less from sample to sample: as many
    samples of 0 or 1 as would vary as little stand in for them (Kish 1965, the effective sample size).
    """
    share, samples = right.mean(), len(right)
    spread = right.var()
    size = samples * share * (1 - share) / spread if spread > 0 else samples
    centre = share + Z**2 / (2 * size)
    half = Z * np.sqrt(share * (1 - share) / size + (Z / (2 * size)) ** 2)
    scale = 1 + Z**2 / size
    # rounding must not put the share outside
    return float(min(share, (centre - half) / scale)), float(max(share, (centre + half) / scale))
