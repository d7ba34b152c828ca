"""Turn one modality into the array that models read.

    python -m stages.embed MODALITY

Reads `data/prepared/<split>/MODALITY/`; params `embed.MODALITY`. Writes `data/embedded/<split>/MODALITY/` (`values.npy`,
`length.npy` where there is a time axis) and `data/embedded/spec/MODALITY.json`: layout, shape, statistics of the train split.
"""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from deconfuse.arrays import Growing
from deconfuse.embeddings import Embedding
from deconfuse.kernel.errors import command
from deconfuse.kernel.files import digest_files, read_json, whole, write_json
from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import read as read_params
from deconfuse.kernel.progress import progress
from deconfuse.manifest import SPLITS
from deconfuse.params.embed import Embedding as Chosen
from deconfuse.prepared import PREPARED, lengths, values
from deconfuse.statistics import Moments

EMBEDDED = Path("data/embedded")
CHUNK = 256


def main(modality: str) -> None:
    schema = read_json(PREPARED / "schema.json")
    described = schema["modalities"][modality]
    chosen = read_params(f"embed.{modality}", Chosen)
    embedding = part("embeddings", chosen.name)(described, **chosen.arguments())
    embedding.fit(values("train", modality))
    moments = Moments()
    for split in SPLITS:
        with whole(EMBEDDED / split / modality) as folder:
            shape, dtype = embed_split(embedding, split, modality, folder, moments if split == "train" else None)
    files = [path for split in ("train", "val") for path in (EMBEDDED / split / modality).iterdir()]
    has_tokens = embedding.state()["vocabulary"] > 0
    spec = {
        "modality": modality,
        "kind": described["kind"],
        "representation": chosen.name,
        "layout": embedding.layouts[described["kind"]],
        "shape": list(shape),
        "dtype": str(dtype),
        "mean": None if has_tokens else moments.mean,
        "std": None if has_tokens else moments.deviation,
        "params": chosen.model_dump(mode="json"),
        "digest": digest_files(EMBEDDED, files),
        **embedding.state(),
    }
    write_json(EMBEDDED / "spec" / f"{modality}.json", spec)


def embed_split(embedding: Embedding, split: str, modality: str, folder: Path, moments: Moments | None) -> tuple[tuple[int, ...], np.dtype]:
    """Embed a split chunk by chunk; `moments` takes in what is present. Returns shape and dtype of a sample."""
    found, length, present = values(split, modality), lengths(split, modality), is_present(split, modality)
    steps: list[np.ndarray] = []
    with ExitStack() as stack:
        file = None
        for start in progress(range(0, len(found), CHUNK), f"embed {modality} {split}", unit="chunk"):
            here = slice(start, start + CHUNK)
            array, valid = embedding(found[here], None if length is None else length[here])
            if file is None:
                file = stack.enter_context(Growing(folder / "values.npy", array.shape[1:], str(array.dtype)))
            file.append(array)
            if valid is not None:
                steps.append(valid)
            if moments is not None:
                moments.add(array[present[here]])
    if steps:
        np.save(folder / "length.npy", np.concatenate(steps).astype(np.int32))
    return array.shape[1:], array.dtype


def is_present(split: str, modality: str) -> np.ndarray:
    names: list[Any] = sorted(read_json(PREPARED / "schema.json")["modalities"])
    return np.load(PREPARED / split / "rows" / "present.npy")[:, names.index(modality)]


if __name__ == "__main__":
    command(main, *sys.argv[1:])
