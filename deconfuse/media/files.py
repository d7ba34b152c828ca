"""Files of media, found and opened safely."""

import os
import re
import stat
import unicodedata
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

from deconfuse.media import MediaError

# what a file begins with that is often taken for a medium, or is one of another kind
BEGINNINGS = (
    (rb"\s*<(!doctype|html|head|body)", "it looks like an HTML page"),
    (rb"version https://git-lfs", "it is a pointer of Git LFS: `git lfs pull` fetches the file itself"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*", "it looks like a picture"),
    (rb"RIFF.{4}WAVE|fLaC|OggS|ID3|FORM.{4}AIF", "it looks like a sound"),
    (rb".{4}ftyp|\x1aE\xdf\xa3|RIFF.{4}AVI ", "it looks like a clip"),
    (rb"PK\x03\x04|\x1f\x8b|BZh|\xfd7zXZ|7z\xbc\xaf|Rar!", "it looks like an archive"),
    (rb"%PDF", "it looks like a PDF"),
    (rb"\x93NUMPY", "it looks like an array of NumPy"),
    (rb"\0{16}", "it begins with zero bytes only, as a file does that was not written to its end"),
    (rb"[\t\n\r -~]+$", "it looks like text"),
)

LONGEST = 300
"""Letters shown of a name, which may be a whole text in the wrong column."""


@contextmanager
def opened(cell: str, media: Path) -> Generator[FileIO]:
    """The file that a cell names, which is a regular file and not empty.

    Args:
        cell: its path as the table has it.
        media: the folder at which relative paths start.

    Raises MediaError, which for a missing file shows the whole path looked at.
    """
    path = regular(cell, media)
    try:
        # without a buffer, so that its position is that of its number, which soundfile is given
        with path.open("rb", buffering=0) as file:
            yield file
    except PermissionError:
        raise MediaError(f"{shown(cell)} may not be read: permission denied") from None


def reason(cell: str, what: str, error: object, file: FileIO) -> MediaError:
    """Why a file cannot be used, as far as its decoder's error and its first bytes tell."""
    file.seek(0)
    start = file.read(512)
    hints = (f" ({hint})" for pattern, hint in BEGINNINGS if re.match(pattern, start, re.IGNORECASE | re.DOTALL) and what not in hint)
    # FFmpeg's errors name the file again behind their words; the decoders' words end anyhow, and may hold anything
    detail = " ".join(shown(str(getattr(error, "strerror", None) or error)).split()).rstrip(". ")[:200]
    return MediaError(f"{shown(cell)} is no {what} that can be read: {detail}{next(hints, '')}")


def shown(text: str) -> str:
    """Text as it can be written as UTF-8 and on one line, the first of very much: file names may hold bytes that are no text."""
    start = text if len(text) <= LONGEST else text[:LONGEST] + "\N{HORIZONTAL ELLIPSIS}"
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in start)


def regular(cell: str, media: Path) -> Path:
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", cell):
        raise MediaError(f"{shown(cell)} is an address; media must be files")
    for spelling in spellings(cell):
        try:
            status = (media / spelling).stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):
            continue
        except OSError as error:
            raise MediaError(f"{shown(cell)} cannot be opened: {error.strerror}") from None
        # opening a pipe would wait for ever, opening a device may do anything
        if not stat.S_ISREG(status.st_mode):
            raise MediaError(f"{shown(cell)} is {'a folder' if stat.S_ISDIR(status.st_mode) else 'no regular file'}")
        if not status.st_size:
            raise MediaError(f"{shown(cell)} is empty: it has 0 bytes")
        return media / spelling
    raise MediaError(f"there is no file {shown(os.path.abspath(media / cell))}")  # noqa: PTH100  resolve() fails on a loop of links


def spellings(cell: str) -> list[str]:
    """The name as written, without spaces around it, with the slashes of Windows turned, and with accents written in one sign or in two."""
    spelt = [cell, cell.strip()]
    spelt += [name.replace("\\", "/") for name in spelt]
    spelt += [unicodedata.normalize(form, name) for form in ("NFC", "NFD") for name in spelt]
    return list(dict.fromkeys(spelt))
