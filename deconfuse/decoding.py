"""Rows of the manifest to decoded samples, in parallel."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deconfuse.manifest import Row
from deconfuse.media import MediaError
from deconfuse.params.preprocess import Decoding, Preprocess
from deconfuse.progress import progress

CHUNK = 16
"""Rows handed to a process at a time."""


@dataclass(frozen=True)
class Sample:
    """One decoded row: modality -> its array or text (None where missing), and its valid steps."""

    values: dict[str, Any]
    lengths: dict[str, int]


@dataclass(frozen=True)
class Rejected:
    """A cell that cannot be used, and so the row."""

    line: int
    id: str
    column: str
    reason: str


def decode(row: Row, media: Path, kinds: dict[str, str], options: Decoding) -> Sample | Rejected:
    """All cells of a row; in a worker process."""
    values: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for name, cell in row.cells.items():
        try:
            values[name], lengths[name] = decode_cell(cell, media, kinds[name], options)
        except MediaError as reason:
            return Rejected(row.line, row.id, name, str(reason))
    return Sample(values, lengths)


def decode_cell(cell: str, media: Path, kind: str, options: Decoding) -> tuple[Any, int]:
    if not cell:
        return None, 1
    if kind == "text":
        return cell, 1
    # Pillow, soundfile and PyAV are imported only where a data set needs them
    if kind == "image":
        from deconfuse.media import image

        return image.decode(media / cell, options.image), 1
    if kind == "audio":
        from deconfuse.media import audio

        return audio.decode(media / cell, options.audio)
    from deconfuse.media import video

    return video.decode(media / cell, options.video)


def decoded(rows: list[Row], media: Path, kinds: dict[str, str], options: Preprocess) -> Iterator[tuple[Row, Sample | Rejected]]:
    """Rows with what their cells hold, in order, decoded in parallel."""
    # the task's options are of a type made at run time, which cannot be sent to another process
    needed = Decoding(image=options.image, audio=options.audio, video=options.video)
    work = partial(decode, media=media, kinds=kinds, options=needed)
    workers = min(options.workers or os.cpu_count() or 1, -(-len(rows) // CHUNK))
    bar = partial(progress, label="decode", total=len(rows), unit="row")
    if workers == 1:
        yield from bar(zip(rows, map(work, rows), strict=True))
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from bar(zip(rows, pool.map(work, rows, chunksize=CHUNK), strict=True))
