"""How often yes or no is right: two classes with a probability each are measured as any number of them."""

import numpy as np
from jaxtyping import Float

from deconfuse.metrics.single_label import SingleLabel


class Binary(SingleLabel):
    """Figures of probabilities (N, 2), the second that of a yes."""

    def ranks(self, there: np.ndarray, predicted: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
        """Of yes against no: near 1 a probability keeps fewer digits than near 0, so the other order may have other ties."""
        return super().ranks(there[:, 1:], predicted[:, 1:])

    def brier(self, there: np.ndarray, predicted: Float[np.ndarray, "N 2"]) -> Float[np.ndarray, " N"]:
        """Of the yes alone."""
        return super().brier(there[:, 1:], predicted[:, 1:])
