"""The `report:` section: what the report shows and how its intervals are drawn."""

from typing import Annotated

from pydantic import Field

from deconfuse.params.strict import Strict


class Report(Strict):
    """The HTML report."""

    title: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """The question at its head; null asks which modality and which fusion helps on the data set."""
    intended_use: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """What the models are for, and what they are not for, in your words; the model cards bear it."""
    samples: Annotated[int, Field(ge=0, le=40)] = 12
    """Test rows in the gallery: half that every fusion has right, half that some fusion has wrong."""
    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Resamples of the test rows behind each interval of a difference."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the resamples and of the gallery's draw."""
