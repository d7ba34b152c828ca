"""The interval of a share."""

import numpy as np
from jaxtyping import Float

Z = 1.959963984540054
"""97.5 % of a normal distribution lie below."""


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
    # rounding must put neither the share outside nor a bound beyond what a share can be
    return float(max(0.0, min(share, (centre - half) / scale))), float(min(1.0, max(share, (centre + half) / scale)))
