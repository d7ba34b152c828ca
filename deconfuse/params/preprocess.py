"""The `preprocess:` section: one size and rate for all that is decoded."""

from typing import Annotated, Literal

from pydantic import Field

from deconfuse.kernel.lookup import choice, options
from deconfuse.kernel.strict import Strict


class Frame(Strict):
    """What pictures and the frames of clips have in common."""

    height: Annotated[int, Field(ge=4, le=1024)]
    """Height in pixels."""
    width: Annotated[int, Field(ge=4, le=1024)]
    """Width in pixels."""
    channels: Literal[1, 3] = 1
    """1 for grey (ITU-R 601 luma), 3 for red, green and blue."""
    fit: Literal["stretch", "crop", "pad"] = "stretch"
    """What becomes of other proportions: `stretch` ignores them, `crop` takes the middle, `pad` keeps the whole picture, on the ground."""
    ground: Annotated[int, Field(ge=0, le=255)] = 255
    """Grey level (0 black, 255 white) behind what is transparent, and around what is padded."""
    max_pixels: Annotated[int, Field(ge=1, le=2**31)] = 100_000_000
    """Most pixels of an original: one that has more is rejected before memory is taken for it."""


class Image(Frame):
    """What a picture is turned into: uint8 of shape (channels, height, width)."""

    height: Annotated[int, Field(ge=4, le=1024)] = 16
    """Height in pixels."""
    width: Annotated[int, Field(ge=4, le=1024)] = 16
    """Width in pixels."""


class Audio(Strict):
    """What a sound is turned into: int16 of shape (seconds x rate), one channel: the mean of the sound's own."""

    rate: Annotated[int, Field(ge=1000, le=192_000)] = 8000
    """Samples a second, in hertz."""
    seconds: Annotated[float, Field(gt=0, le=600)] = 1.0
    """Length in seconds: longer sounds are cut, shorter ones padded with silence that is known as padding."""


class Video(Frame):
    """What a clip is turned into: uint8 of shape (frames, channels, height, width)."""

    frames: Annotated[int, Field(ge=1, le=1024)] = 8
    """Frames a clip: those shown at the middles of so many equal parts of its time."""
    height: Annotated[int, Field(ge=4, le=1024)] = 24
    """Height in pixels."""
    width: Annotated[int, Field(ge=4, le=1024)] = 24
    """Width in pixels."""


class Decoding(Strict):
    """One section a kind of modality."""

    image: Image = Image()
    audio: Audio = Audio()
    video: Video = Video()


class Split(Strict):
    """How rows are divided that the table itself does not divide: at random, each class alike."""

    val: Annotated[float, Field(gt=0, lt=0.9)] = 0.15
    """Share of all rows (0 to 1) for choosing each model's epoch; where the table names only train and test, of its train rows."""
    test: Annotated[float, Field(gt=0, lt=0.9)] = 0.25
    """Share of all rows (0 to 1) to judge by; where the table names only train and val, of its train rows."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of the draw."""


class Preprocess(Decoding):
    """What a label means, how rows are divided, and how media are decoded."""

    task: choice("tasks", "auto") = options("tasks", "auto")()  # ty: ignore[invalid-type-form, missing-argument]
    """What the column `label` asks: `auto` (decided by the labels, and said), `single_label` (one of several classes, cross-entropy),
    `binary` (yes or no: the second of two classes in their order, binary cross-entropy of one output), `multi_label` (any number of
    classes a cell, binary cross-entropy of each), or `regression` (a number, mean squared error in the train split's variance). By name
    or as a mapping of `name` and options."""
    split: Split = Split()
    group_by: Annotated[str, Field(min_length=1)] | None = None
    """Column of the table, such as `speaker`, whose equal values stay in one split; null divides row by row."""
    leaks: Literal["error", "drop", "keep"] = "keep"
    """What to do where a picture, sound or clip (or the text of a row that has nothing else) is in two splits: stop, `drop` the rows from
    train and val so that test stays whole, or `keep` them; all are warned of in the log and the report."""
    max_rejected: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Share of rows (0 to 1) that may be unusable before the run stops; each one is listed in `data/prepared/rejected.csv`."""
    workers: Annotated[int, Field(ge=1, le=256)] | None = None
    """Processes that decode; null takes one a core. The result does not depend on it."""
