"""The `data.digits:` section: how far each modality of the embedded data set is spoiled, so that none suffices alone."""

from typing import Annotated

from pydantic import Field

from deconfuse.kernel.strict import Strict

Share = Annotated[float, Field(ge=0, le=1)]


class Image(Strict):
    """Damage to the written digit."""

    covered: Share = 0.5
    """Share of the picture's area under a grey patch."""


class Audio(Strict):
    """Damage to the spoken digit."""

    snr: Annotated[float, Field(ge=-40, le=100)] = -3.0
    """Ratio of the word's mean power to that of the white noise, in dB; 100 is as good as no noise."""


class Text(Strict):
    """Damage to the transcript: what a bad recogniser does to the word."""

    dropped: Share = 0.3
    """Probability that a letter is left out; one letter always stays."""
    replaced: Share = 0.25
    """Probability that a letter becomes another of the 26."""
    swapped: Share = 0.2
    """Probability that a letter changes places with the next."""


class Video(Strict):
    """Damage to the film of the drifting digit."""

    noise: Annotated[float, Field(ge=0, le=1000)] = 120.0
    """Standard deviation of the noise on every pixel of every frame, in grey levels (black 0, white 255), before clipping."""


class Digits(Strict):
    """Written, spoken, transcribed and filmed digits: 1,797 rows made of real handwriting and synthetic speech."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of all draws: the split, the clips and the damage."""
    missing: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of cells left empty; every row keeps at least one."""
    image: Image = Image()
    audio: Audio = Audio()
    text: Text = Text()
    video: Video = Video()
