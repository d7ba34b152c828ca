"""What a stranger may ask for: sizes above which a request is refused before it costs memory or time."""

import time
from collections.abc import Sequence
from pathlib import Path

Row = dict[str, str | None]
"""Modality -> a text, or a file's bytes in base64; absent or null where it is missing."""

REQUEST = 32 * 2**20
"""Bytes of a request, and characters of all its cells."""
ROWS = 1024
TEXT = 1_000_000
"""Characters of a text."""
CLIP = 4_000_000_000
"""Pixels of all frames of a clip: about a minute of 1920 x 1080 at 30 frames a second."""
SECONDS = 30.0
"""Time to decode a request; the cell that is in work then is finished."""


class RequestError(Exception):
    """A request that cannot be answered, with the reason in words."""


def refuse(rows: Sequence[Row], modalities: Sequence[str]) -> None:
    """Raise RequestError for rows that are none: of other columns, of other values than texts, or too many."""
    if not rows:
        raise RequestError("there are no rows")
    if len(rows) > ROWS:
        raise RequestError(f"there are {len(rows)} rows; a request may have {ROWS}")
    for number, row in enumerate(rows, start=1):
        for name, cell in row.items():
            if name not in modalities:
                raise RequestError(f"row {number}: there is no column {name[:100]!r}; there are: {', '.join(modalities)}")
            if cell is not None and not isinstance(cell, str):
                raise RequestError(f"row {number}, {name}: a text or null is needed, not {type(cell).__name__}")
    if (size := sum(len(cell) for row in rows for cell in row.values() if cell is not None)) > REQUEST:
        raise RequestError(f"the cells hold {size:,} characters; a request may have {REQUEST:,}")


def refuse_long(path: Path) -> None:
    """Raise RequestError for a clip with more pixels in all than may be decoded."""
    from deconfuse.media.clip import clip, pictures

    try:
        with path.open("rb", buffering=0) as file, clip(file) as container:
            stream = pictures(container)
            pixels = stream.width * stream.height * sum(1 for packet in container.demux(stream) if packet.size)
    except Exception:  # noqa: BLE001  what is wrong with a clip the decoder says better
        return
    if pixels > CLIP:
        raise RequestError(f"the clip has {pixels:,} pixels in all its frames; {CLIP:,} are allowed: send a shorter or smaller one")


class Clock:
    """Time that a request has taken."""

    def __init__(self) -> None:
        self.end = time.monotonic() + SECONDS

    def look(self) -> None:
        if time.monotonic() > self.end:
            raise RequestError(f"decoding takes longer than {SECONDS:g} s; send fewer rows, or smaller files")
