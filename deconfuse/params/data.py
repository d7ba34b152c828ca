"""The `data:` section: where the data set comes from."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from deconfuse.kernel.strict import Strict
from deconfuse.params.avmnist import Avmnist
from deconfuse.params.digits import Digits

Kind = Literal["audio", "image", "text", "video"]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Column = Annotated[str, Field(min_length=1)]


class Modality(Strict):
    """What is seen, heard, read or filmed: one column of the table. A bare kind, such as `image`, is one named as the modality."""

    column: Column | None = None
    """Column of the table; null takes the one named as the modality. Two modalities may share one: picture and sound of a clip."""
    kind: Kind
    """What a cell holds: the text itself, or the path of an image, a sound or a clip (audio takes a clip's sound track, too)."""


Shortened = Annotated[Modality, BeforeValidator(lambda value: {"kind": value} if isinstance(value, str) else value)]


class Columns(Strict):
    """The columns of your table, where their names do not tell what they are."""

    id: Column | None = None
    """Column of what names a row; null looks for `id`, `key`, `uid` or `sample_id`, and else takes the number of the row."""
    split: Column | None = None
    """Column of train, val, test; null looks for `split`, `subset` or `partition`; what it does not divide, `preprocess.split` does."""
    label: Column | None = None
    """Column of the answer; null looks for `label`, `class`, `target`, `category` or `y`."""
    modalities: Annotated[dict[Name, Shortened], Field(min_length=1)] | None = None
    """Modality -> its kind, or its column and kind; null takes all columns whose names end in a kind, e.g. `left_image`, `audio_path`."""


class Data(Strict):
    """The data set, and what is made of it."""

    source: Annotated[str, Field(min_length=1)] = "digits"
    """A built-in data set (a file of `deconfuse/sources/`), or the path of your own: a table (.csv, .tsv, .parquet, .jsonl), a folder with
    a folder a class, or a folder that Hugging Face `datasets` saved. Relative paths start at the project's root."""
    files: Annotated[str, Field(min_length=1)] = "data/sources"
    """File or folder of your own data, table and media: DVC watches it, and runs the pipeline again when anything in it changes."""
    columns: Columns = Columns()
    encoding: Annotated[str, Field(min_length=1)] = "utf-8"
    """How a .csv, .tsv or .jsonl table, or the .txt files of a folder, are written, e.g. `utf-8`, `utf-16`, `latin-1`; a byte order mark is
    understood."""
    mirror: Annotated[str, Field(min_length=1)] | None = None
    """Folder or http(s) address that is tried for public data sets before their own addresses; it holds a folder a data set."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Rows to use, spread evenly over splits and classes; null takes all."""
    avmnist: Avmnist = Avmnist()
    digits: Digits = Digits()
