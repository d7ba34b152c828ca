"""The `preprocess:` section: one size and rate for all that is decoded."""

from typing import Annotated, Literal

from pydantic import Field

from deconfuse.lookup import choice, options
from deconfuse.params.strict import Strict


class Image(Strict):
    """What a picture is turned into: uint8 of shape (channels, height, width)."""

    height: Annotated[int, Field(ge=4, le=1024)] = 16
    """Height in pixels."""
    width: Annotated[int, Field(ge=4, le=1024)] = 16
    """Width in pixels."""
    channels: Literal[1, 3] = 1
    """1 for grey (ITU-R 601 luma), 3 for red, green and blue."""


class Audio(Strict):
    """What a sound is turned into: int16 of shape (seconds x rate), one channel."""

    rate: Annotated[int, Field(ge=1000, le=192_000)] = 8000
    """Samples a second, in hertz."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 1.0
    """Length in seconds: longer sounds are cut, shorter ones padded with silence that is known as padding."""


class Video(Strict):
    """What a clip is turned into: uint8 of shape (frames, channels, height, width)."""

    frames: Annotated[int, Field(ge=1, le=1024)] = 8
    """Frames a clip, taken evenly from its whole length."""
    height: Annotated[int, Field(ge=4, le=1024)] = 24
    """Height in pixels."""
    width: Annotated[int, Field(ge=4, le=1024)] = 24
    """Width in pixels."""
    channels: Literal[1, 3] = 1
    """1 for grey (ITU-R 601 luma), 3 for red, green and blue."""


class Decoding(Strict):
    """One section a kind of modality."""

    image: Image = Image()
    audio: Audio = Audio()
    video: Video = Video()


class Preprocess(Decoding):
    """What a label means, and how media are decoded."""

    task: choice("tasks") = options("tasks", "single_label")()  # ty: ignore[invalid-type-form, missing-argument]
    """What the column `label` asks: `single_label` (one of several classes, cross-entropy), `binary` (yes or no: the second of two classes
    in their order, binary cross-entropy of one output), `multi_label` (any number of classes a cell, binary cross-entropy of each), or
    `regression` (a number, mean squared error in the train split's variance). By name or as a mapping of `name` and options."""
    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of rows (0 to 1) that may be unusable before the run stops; each one is listed in `data/prepared/rejected.csv`."""
    workers: Annotated[int, Field(ge=1, le=256)] | None = None
    """Processes that decode; null takes one a core. The result does not depend on it."""
