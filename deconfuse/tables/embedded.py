"""Media that a table holds in its cells, put into files named by row and content."""

from pathlib import Path
from typing import Any

from deconfuse.tables.records import Cell, Fault

MAGIC = {
    "png": (0, b"\x89PNG"),
    "jpg": (0, b"\xff\xd8\xff"),
    "gif": (0, b"GIF8"),
    "bmp": (0, b"BM"),
    "tif": (0, b"II*\0"),
    "tiff": (0, b"MM\0*"),
    "webp": (8, b"WEBP"),
    "wav": (8, b"WAVE"),
    "avi": (8, b"AVI "),
    "aiff": (8, b"AIFF"),
    "flac": (0, b"fLaC"),
    "ogg": (0, b"OggS"),
    "m4a": (4, b"ftypM4A"),
    "mp4": (4, b"ftyp"),
    "mkv": (0, b"\x1a\x45\xdf\xa3"),
    "mp3": (0, b"ID3"),
}


def placed(value: Any, line: int, folder: Path, home: Path) -> Cell:
    """The cell of a media column: the path of a new file for bytes, that of the named file (at `home`) where there are none.

    Takes bytes, or a mapping of `bytes` and `path` as Hugging Face `datasets` writes it. New paths start at the folder of `folder`.
    """
    content, named = (value.get("bytes"), value.get("path")) if isinstance(value, dict) else (value, None)
    if content is not None:
        file = folder / f"{line}.{suffix(content)}"
        file.write_bytes(content)
        return f"{folder.name}/{file.name}"
    if named is None or isinstance(named, str):
        return str((home / named).absolute()) if named else ""
    return Fault("a path that is no text")


def suffix(content: bytes) -> str:
    """A file's usual ending by its first bytes; `bin` for what is none of the kinds known here."""
    if content[:1] == b"\xff" and content[1:2] in (b"\xfb", b"\xf3", b"\xf2", b"\xfa"):
        return "mp3"
    return next((name for name, (place, magic) in MAGIC.items() if content.startswith(magic, place)), "bin")
