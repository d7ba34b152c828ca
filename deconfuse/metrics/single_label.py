"""How often the one class is right."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss

from deconfuse.metrics import Facts, Metrics


class SingleLabel(Metrics):
    """Accuracy, F1 and cross-entropy of probabilities (N, K)."""

    def figures(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"]) -> dict[str, float | int]:
        """`accuracy` with its Wilson interval (Wilson 1927), `macro_f1` (mean F1 over all classes, 0 for a class neither present nor
        predicted), `loss` (mean cross-entropy, nats) and `n`."""
        classes = np.arange(predicted.shape[1])
        best = predicted.argmax(1)
        correct = int((best == target).sum())
        interval = binomtest(correct, len(target)).proportion_ci(0.95, method="wilson")
        return {
            "accuracy": correct / len(target),
            "accuracy_low": float(interval.low),
            "accuracy_high": float(interval.high),
            "macro_f1": float(f1_score(target, best, labels=classes, average="macro", zero_division=0)),
            "loss": float(log_loss(target, predicted, labels=classes)),
            "n": len(target),
        }

    def header(self, facts: Facts) -> list[str]:
        return ["actual", "predicted", "confidence", *(f"p:{name}" for name in facts["classes"])]

    def rows(self, target: Int[np.ndarray, " N"], predicted: Float[np.ndarray, "N K"], facts: Facts) -> Iterator[list[str]]:
        """`confidence` is the probability of the predicted class."""
        classes = facts["classes"]
        for actual, shares in zip(target, predicted, strict=True):
            best = int(shares.argmax())
            yield [classes[actual], classes[best], *(f"{share:.6f}" for share in (shares[best], *shares))]
