"""Mean and standard deviation of more numbers than fit in memory."""

import math

import numpy as np


class Moments:
    """Mean and standard deviation over all numbers of the arrays added, in double precision."""

    def __init__(self) -> None:
        self.count, self.sum, self.squares = 0, 0.0, 0.0

    def add(self, values: np.ndarray) -> None:
        """Take in an array of any shape."""
        self.count += values.size
        self.sum += float(values.sum(dtype=np.float64))
        self.squares += float(np.square(values, dtype=np.float64).sum())

    @property
    def mean(self) -> float:
        return self.sum / max(1, self.count)

    @property
    def deviation(self) -> float:
        """1 where all numbers are equal, so that dividing by it is safe."""
        variance = self.squares / max(1, self.count) - self.mean**2
        return math.sqrt(variance) if variance > 1e-12 * (1 + self.mean**2) else 1.0
