"""One number by which logits are divided, so that a model is as sure as it is right; which answer is likeliest stays (Guo et al. 2017)."""

import math
from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor

GOLD = (math.sqrt(5) - 1) / 2
STEPS = 40


def fitted(loss: Callable[[Tensor, Tensor], Tensor], logits: Float[Tensor, "N K"], target: Tensor, most: float) -> float:
    """The temperature of the lowest cross-entropy, from 1 / most to most, to eight digits.

    The cross-entropy is convex in the inverse of the temperature, so that its logarithm has no valley but one: a golden-section search
    (Kiefer 1953) finds it. At an end it stays where the rows are all right (the surer the better), or the model is worse than a guess.
    """

    def at(place: float) -> float:
        return float(loss(logits / math.exp(place), target))

    low, high = -math.log(most), math.log(most)
    left, right = high - GOLD * (high - low), low + GOLD * (high - low)
    below, above = at(left), at(right)
    for _ in range(STEPS):
        if below <= above:
            high, right, above = right, left, below
            left = high - GOLD * (high - low)
            below = at(left)
        else:
            low, left, below = left, right, above
            right = low + GOLD * (high - low)
            above = at(right)
    return math.exp((low + high) / 2)
