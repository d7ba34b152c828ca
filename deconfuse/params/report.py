"""The `report:` section: what the report shows and how its intervals are drawn."""

from typing import Annotated

from pydantic import Field, field_validator

from deconfuse.kernel.lookup import choice, names
from deconfuse.kernel.strict import Strict


class Pair(Strict):
    """Two models of the line-up to be compared."""

    model: str
    """The one that may be better."""
    against: str
    """The one that it is measured by."""


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
    comparisons: list[Pair] | None = None
    """Which model is compared with which, decided before the figures are seen. null: each fusion with the best single modality (by the
    validation split), and each model with deconvolutions with the one that is the same but for `cnn` or `concat` in their place."""

    baselines: list[choice("baselines")] = Field(  # ty: ignore[invalid-type-form]
        default_factory=lambda: names("baselines"), validate_default=True
    )
    """Classical models that any network must beat, each by name or as a mapping of `name` and options; by default all, [] none."""
    baseline_rows: Annotated[int, Field(ge=10)] = 5000
    """Rows of each split that they use at most; of more, so many are drawn."""

    @field_validator("comparisons")
    @classmethod
    def of_two(cls, comparisons: list[Pair] | None) -> list[Pair] | None:
        for place, pair in enumerate(comparisons or []):
            if pair.model == pair.against:
                raise ValueError(f"{pair.model} is compared with itself; name another model under `against`")
            if pair in (comparisons or [])[:place]:
                raise ValueError(f"{pair.model} against {pair.against} stands there twice")
        return comparisons
