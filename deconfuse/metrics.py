"""How good predictions are, with intervals."""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import binomtest
from sklearn.metrics import f1_score, log_loss


def classification(label: Int[np.ndarray, " N"], probability: Float[np.ndarray, "N K"]) -> dict[str, float | int]:
    """Figures of a single-label classifier.

    `accuracy` with its 95 % Wilson interval `accuracy_low` to `accuracy_high` (Wilson 1927), `macro_f1` (mean F1 over all
    classes, 0 for a class neither present nor predicted), `loss` (mean cross-entropy, nats) and `n`.
    """
    classes = np.arange(probability.shape[1])
    predicted = probability.argmax(1)
    correct = int((predicted == label).sum())
    interval = binomtest(correct, len(label)).proportion_ci(0.95, method="wilson")
    return {
        "accuracy": correct / len(label),
        "accuracy_low": float(interval.low),
        "accuracy_high": float(interval.high),
        "macro_f1": float(f1_score(label, predicted, labels=classes, average="macro", zero_division=0)),
        "loss": float(log_loss(label, probability, labels=classes)),
        "n": len(label),
    }
