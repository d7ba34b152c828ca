"""How often the one class is right."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from sklearn.metrics import f1_score, log_loss

from deconfuse.metrics import Facts, Figures, Metrics

Z = 1.959963984540054
"""97.5 % of a normal distribution lie below."""


class SingleLabel(Metrics):
    """Accuracy, F1 and cross-entropy of probabilities (N, K)."""

    def figures(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Figures:
        """`accuracy`, `macro_f1` (mean F1 over all classes, 0 for a class neither present nor predicted), `loss` (mean cross-entropy,
        nats) and `n`."""
        classes = np.arange(predicted.shape[1])
        best = predicted.argmax(1)
        return {
            "accuracy": float((best == target).mean()),
            "macro_f1": float(f1_score(target, best, labels=classes, average="macro", zero_division=0)),
            "loss": float(log_loss(target, predicted, labels=classes)),
            "n": len(target),
        }

    def terms(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> Float[np.ndarray, "N 1"]:
        """1 where the class is right."""
        return (predicted.argmax(1) == target).astype(float)[:, None]

    def bounds(self, terms: Float[np.ndarray, "S N 1"]) -> dict[str, tuple[float, float]]:
        return {"accuracy": wilson(terms[..., 0].mean(0))}

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted", "confidence", *(f"p:{name}" for name in facts["classes"])]

    def rows(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"], facts: Facts) -> Iterator[list[str]]:
        """`confidence` is the probability of the predicted class."""
        classes = facts["classes"]
        for actual, shares in zip(target, predicted, strict=True):
            best = int(shares.argmax())
            yield [classes[actual], classes[best], *(f"{share:.6f}" for share in (shares[best], *shares))]


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
