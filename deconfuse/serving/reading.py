"""Rows of a request to decoded cells, by the very code that `preprocess` uses."""

import base64
import binascii
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from deconfuse.manifest import Place
from deconfuse.media import Decoded, MediaError
from deconfuse.params.preprocess import Decoding
from deconfuse.preparing.decoding import decode_cell
from deconfuse.serving.limits import TEXT, Clock, RequestError, Row, refuse, refuse_long

Cells = dict[str, Decoded | None]


def decoded(rows: Sequence[Row], kinds: dict[str, str], options: Decoding) -> list[Cells]:
    """What the cells of a request hold.

    Args:
        rows: of the request.
        kinds: modality -> kind, of those that the model reads.
        options: as `preprocess` had them.

    Raises RequestError that names row and column of the first cell that cannot be used.
    """
    refuse(rows, list(kinds))
    clock, found = Clock(), []
    for number, row in enumerate(rows, start=1):
        cells: Cells = {}
        for name, kind in kinds.items():
            clock.look()
            try:
                cells[name] = cell(row.get(name), kind, options)
            except (MediaError, RequestError) as reason:
                raise RequestError(f"row {number}, {name}: {reason}") from None
        found.append(cells)
    return found


def cell(given: str | None, kind: str, options: Decoding) -> Decoded | None:
    """What one cell holds; None where it is missing. Raises MediaError, RequestError."""
    if given is None or not given.strip():
        return None
    if kind == "text":
        if len(given) > TEXT:
            raise RequestError(f"the text has {len(given):,} characters; {TEXT:,} are allowed")
        return decode_cell(given, Place("text"), options)
    content = unpacked(given)
    # decoders read files; the name of this one is for their messages
    with TemporaryDirectory(prefix="deconfuse-") as folder:
        path = Path(folder) / f"the {kind}"
        path.write_bytes(content)
        if kind == "video":
            refuse_long(path)
        return decode_cell(path.name, Place(kind, folder), options)


def unpacked(given: str) -> bytes:
    """The bytes that base64 stands for; line ends, which programs put into it, do not count. Raises RequestError."""
    try:
        return base64.b64decode("".join(given.split()), validate=True)
    except (binascii.Error, ValueError):
        raise RequestError("it is no base64; send the bytes of the file so, not its path or address") from None
