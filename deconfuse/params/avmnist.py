"""The `data.avmnist:` section: how far picture and sound of AV-MNIST are spoiled."""

from typing import Annotated

from pydantic import Field

from deconfuse.kernel.strict import Strict


class Avmnist(Strict):
    """MNIST pictures paired by digit with spoken digits of other speakers in train and test."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of all draws: the pairs and the noise."""
    components: Annotated[int, Field(ge=1, le=784)] | None = 4
    """Principal components of the train split's pictures that are kept, mean removed; null keeps the pictures as they are. A small CNN,
    trained on 6,595 pictures, was right on 65.2 % of 1,202 test pictures with 4 components and on 75.9 % with 5 (one run each)."""
    snr: Annotated[float, Field(ge=-60, le=100)] = -11.5
    """Ratio of the word's mean power to that of the white noise, in dB; 100 is as good as no noise. A small CNN on log-mel spectrograms,
    trained on 6,595 sounds, was right on 40.7 % of 1,202 test sounds at -12 dB, 44.4 % at -11 dB and 66.3 % at -2 dB (one run each);
    the literature's two regimes are near 42 % and 66 %."""
