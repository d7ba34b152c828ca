"""A subject for analyses: any model, asked about arrays in memory."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from deconfuse.analyses import Subject
from deconfuse.embeddings import Embedding
from deconfuse.kernel.lookup import part
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.runtime.prediction import predict


def subject(
    model: Model,
    facts: dict[str, Any],
    data: Mapping[str, Dataset],
    raw: Callable[[str, str], Any] | None = None,
    embedding: Callable[[str], Embedding] | None = None,
    seed: int = 0,
) -> Subject:
    """The model as the best of its seeds.

    Args:
        model: trained or not.
        facts: schema.json; `task` and what that task needs.
        data: split -> its samples; with val and test.
        raw, embedding: as `Subject` has them, where the analysis reads raw values.
        seed: that the model is said to be of.
    """

    def nothing(*words: str) -> Any:
        raise AssertionError(f"the test gives no raw values, but {words} were asked for")

    model.eval()
    return Subject(
        name="model",
        seed=seed,
        is_best=True,
        model=model,
        task=part("tasks", facts["task"])(),
        metrics=part("metrics", facts["task"])(),
        facts=facts,
        data=data.__getitem__,
        ids=lambda split: [f"{split}-{place}" for place in np.arange(len(data[split]))],
        logits={split: predict(model, data[split]) for split in ("val", "test")},
        raw=raw or nothing,
        embedding=embedding or nothing,
        resamples=1000,
    )
