"""The `evaluate:` section: what is asked of every trained model."""

from typing import Annotated, Any

from pydantic import Field, field_validator

from deconfuse.kernel.lookup import choice, names
from deconfuse.kernel.strict import Strict


class Evaluate(Strict):
    """What `evaluate` does beside the figures of the val and test splits."""

    analyses: list[choice("analyses")] = Field(  # ty: ignore[invalid-type-form]
        default_factory=lambda: names("analyses"), validate_default=True
    )
    """The questions put to every model, each by name or as a mapping of `name` and options; by default all, [] none."""
    bootstrap: Annotated[int, Field(ge=100, le=1_000_000)] = 1000
    """Resamples of the rows behind each interval."""

    @field_validator("analyses")
    @classmethod
    def each_once(cls, analyses: list[Any]) -> list[Any]:
        named = [analysis.name for analysis in analyses]
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise ValueError(f"{twice[0]} stands there twice")
        return analyses
