"""The `embed:` section: what each modality is represented by."""

from typing import Annotated

from pydantic import Field

from deconfuse.kernel.lookup import choice

Embedding = choice("embeddings")
Embed = Annotated[dict[str, Embedding], Field(min_length=1)]  # ty: ignore[invalid-type-form]
