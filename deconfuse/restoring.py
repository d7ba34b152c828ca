"""An embedding as `embed` fitted it, from what it wrote down."""

from typing import Any

from deconfuse.embeddings import Embedding
from deconfuse.kernel.lookup import part


def restored(spec: dict[str, Any], form: dict[str, Any]) -> Embedding:
    """The embedding of a modality.

    Args:
        spec: its `data/embedded/spec/MODALITY.json`.
        form: what schema.json says of the modality.
    """
    options = {key: value for key, value in spec["params"].items() if key != "name"}
    made: Embedding = part("embeddings", spec["representation"])(form, **options)
    made.restore(spec)
    return made
