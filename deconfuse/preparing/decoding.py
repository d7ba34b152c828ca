"""Rows of the manifest to decoded samples, in parallel, in memory that does not grow with the number of rows."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from deconfuse.cores import cores
from deconfuse.errors import UserError
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.media import Decoded, MediaError
from deconfuse.params.preprocess import Decoding, Preprocess
from deconfuse.progress import progress

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


def in_parallel(chunks: Iterator[list[Row]], work: Work, workers: int) -> Iterator[Found]:
    """The same by processes, two chunks each ahead of the reader: a slow reader finds no more than these waiting."""
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, initializer=mute)
    window: deque[tuple[list[Row], Future]] = deque()
    try:
        window.extend((chunk, pool.submit(work, chunk)) for chunk in islice(chunks, 2 * workers))
        while window:
            yield from zip(window[0][0], window[0][1].result(), strict=True)
            window.popleft()
            window.extend((chunk, pool.submit(work, chunk)) for chunk in islice(chunks, 1))
    except BrokenProcessPool:
        raise UserError(death([chunk for chunk, _ in window], work)) from None
    finally:
        # after an error or Ctrl-C nobody waits for what is being decoded
        if window:
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
        pool.shutdown(cancel_futures=True)


def mute() -> None:
    """Let Ctrl-C end a process at once, without a traceback from each."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def death(chunks: list[list[Row]], work: Work) -> str:
    """Why a process died, in words: the rows that were then in work are tried again, one by one."""
    rows = [row for chunk in chunks for row in chunk]
    for row in rows:
        with ProcessPoolExecutor(1, initializer=mute) as pool:
            try:
                pool.submit(work, [row]).result()
            except BrokenProcessPool:
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
