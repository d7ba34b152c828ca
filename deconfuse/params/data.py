"""The `data:` section: where the data set comes from."""

from typing import Annotated, Literal

from pydantic import Field

from deconfuse.params.digits import Digits
from deconfuse.params.strict import Strict


class Data(Strict):
    """The data set, and what is made of it."""

    source: Literal["digits"] = "digits"
    """A built-in data set: a file of `deconfuse/sources/`."""
    limit: Annotated[int, Field(ge=60)] | None = None
    """Rows to use, spread evenly over splits and classes; null takes all."""
    digits: Digits = Digits()
