"""Rows of the manifest to decoded samples, in parallel, in memory that does not grow with the number of rows."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from deconfuse.kernel.cores import cores
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.progress import progress
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.media import Decoded, MediaError
from deconfuse.params.preprocess import Decoding, Preprocess
from deconfuse.worker_processes import WorkerDiedError, in_processes

CHUNK = 16
"""Most rows that are handed to a process at a time."""


@dataclass(frozen=True)
class Sample:
    """One decoded row."""

    cells: dict[str, Decoded | None]
    """Modality -> what its cell holds; None where it is missing."""


Found = tuple[Row, Sample | Rejected]
Work = Callable[[list[Row]], list[Sample | Rejected]]


def decoded(rows: Iterable[Row], total: int, places: dict[str, Place], options: Preprocess) -> Iterator[Found]:
    """Rows with what their cells hold, in order, decoded in parallel.

    Args:
        rows: of the manifest, read as they are needed.
        total: how many they are.
        places: modality -> what its cells are, and where their relative paths start.
        options: the `preprocess:` section; the result does not depend on `workers`.

    Raises UserError where a process that decodes dies, naming the row.
    """
    # the task's options are of a type made at run time, which cannot be sent to another process
    needed = Decoding(image=options.image, audio=options.audio, video=options.video)
    work = partial(decode_rows, places=places, options=needed)
    workers = min(options.workers or cores(), total)
    # a small table, too, keeps all of them busy
    size = max(1, min(CHUNK, total // (4 * workers))) if workers else CHUNK
    left = iter(rows)
    chunks = iter(lambda: list(islice(left, size)), [])
    found = in_turn(chunks, work) if workers <= 1 else in_parallel(chunks, work, workers)
    yield from progress(found, label="decode", total=total, unit="row")


def in_turn(chunks: Iterable[list[Row]], work: Work) -> Iterator[Found]:
    for chunk in chunks:
        yield from zip(chunk, work(chunk), strict=True)


def in_parallel(chunks: Iterable[list[Row]], work: Work, workers: int) -> Iterator[Found]:
    """The same by processes."""
    try:
        for chunk, found in in_processes(work, chunks, workers):
            yield from zip(chunk, found, strict=True)
    except WorkerDiedError as death:
        raise UserError(cause(death.piece, work)) from None


def cause(rows: list[Row], work: Work) -> str:
    """Why a process died at `rows`, in words: they are tried again, one by one."""
    for row in rows:
        try:
            list(in_processes(work, [[row]], 1))
        except WorkerDiedError:
            cells = ", ".join(cell for cell in row.cells.values() if cell)[:500]
            return f"decoding line {row.line} (id {row.id}) ends its process: {cells}; take this row out of the table"
    return (
        f"a process died while lines {rows[0].line} to {rows[-1].line} were decoded, though each of them can be; where memory ran out, "
        "set a smaller preprocess.workers"
    )


def decode_rows(rows: list[Row], places: dict[str, Place], options: Decoding) -> list[Sample | Rejected]:
    """What the cells of a chunk hold; in a worker process."""
    return [decode(row, places, options) for row in rows]


def decode(row: Row, places: dict[str, Place], options: Decoding) -> Sample | Rejected:
    cells: dict[str, Decoded | None] = {}
    for name, cell in row.cells.items():
        try:
            cells[name] = decode_cell(cell, places[name], options)
        except MediaError as reason:
            return Rejected(row.line, row.id, name, str(reason))
    if not any(cells.values()):
        return Rejected(row.line, row.id, "", "no modality is there: every cell is empty")
    return Sample(cells)


def decode_cell(cell: str, place: Place, options: Decoding) -> Decoded | None:
    """What a cell holds; None where it is missing: empty, or white space only.

    Raises MediaError.
    """
    if not cell.strip():
        return None
    media = Path(place.media)
    # Pillow, soundfile and PyAV are imported only where a data set needs them
    if place.kind == "text":
        from deconfuse.media import text

        return text.decode(cell)
    if place.kind == "image":
        from deconfuse.media import image

        return image.decode(cell, media, options.image)
    if place.kind == "audio":
        from deconfuse.media import audio

        return audio.decode(cell, media, options.audio)
    from deconfuse.media import video

    return video.decode(cell, media, options.video)
