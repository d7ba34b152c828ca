"""The `search:` section: which values of params `make search` tries."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from deconfuse.kernel.strict import Strict


class Between(Strict):
    """Numbers of a range; whole ones where both ends are written as whole numbers."""

    low: int | float
    """The least value."""
    high: int | float
    """The greatest value."""
    log: bool = False
    """Whether each doubling is as likely as any other, as fits a learning rate."""

    @model_validator(mode="after")
    def is_a_range(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"`low` ({self.low}) must be less than `high` ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"`low` ({self.low}) must be greater than 0 where `log` is true")
        return self

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


# tags in brackets, which no error message shows
Option = Annotated[
    Annotated[Between, Tag("[range]")] | Annotated[list[Any], Field(min_length=1), Tag("[list]")],
    Discriminator(lambda value: "[list]" if isinstance(value, list) else "[range]"),
]


class Search(Strict):
    """A search for params with a low validation loss; the test split has no part in it."""

    model: Annotated[str, Field(min_length=1)]
    """The entry of `models:` that is trained."""
    space: Annotated[dict[str, Option], Field(min_length=1)]
    """Dotted keys of `train` and of that entry -> a list of values, or a range `{low: 1e-4, high: 1e-2, log: true}`. A trial whose
    values do not go together fails, and the search goes on."""
    trials: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """Trainings in all; a later search with more of them goes on with what there is."""
    startup: Annotated[int, Field(ge=1, le=1_000_000)] = 8
    """Trials whose values are drawn by chance, before they follow from earlier ones (tree-structured Parzen estimator, Bergstra et al.
    2011), and before any is pruned."""
    pruner: Literal["median", "none"] = "median"
    """`median` ends a trial whose lowest validation loss so far is above the median of what earlier trials had at that epoch (Golovin et
    al. 2017)."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of the values that are tried; the trainings have those of `train`."""
