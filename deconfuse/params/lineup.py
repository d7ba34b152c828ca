"""The `lineup:` section: how many models are trained side by side."""

from typing import Annotated

from pydantic import Field

from deconfuse.kernel.strict import Strict


class LineUp(Strict):
    """How `make repro` trains the models; `dvc repro` trains one after another. No model's bytes depend on it."""

    workers: Annotated[int, Field(ge=1, le=1024)] | None = None
    """Models trained at the same time, each with `train.threads` threads and its own copy of what it reads in memory; null takes as
    many as the processor has cores for, and one where there is a GPU."""
