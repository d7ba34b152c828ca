"""How often yes or no is right: two classes with a probability each are measured as any number of them."""

from deconfuse.metrics.single_label import SingleLabel


class Binary(SingleLabel):
    """Accuracy, F1 and cross-entropy of probabilities (N, 2)."""
