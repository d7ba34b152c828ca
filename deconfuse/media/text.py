"""Texts: any Unicode, as it is."""

import unicodedata

from deconfuse.media import Decoded, MediaError, fingerprint


def decode(cell: str) -> Decoded:
    """The text itself, unchanged.

    Raises MediaError for what no text file can hold: NUL, and halves of surrogate pairs.
    """
    if "\0" in cell:
        raise MediaError(f"the text holds a NUL at letter {cell.index(chr(0)) + 1}")
    try:
        cell.encode()
    except UnicodeEncodeError as error:
        raise MediaError(f"the text holds half of a surrogate pair at letter {error.start + 1}") from None
    return Decoded(cell, 1, fingerprint(alike(cell).encode()), size={"characters": float(len(cell))})


def alike(text: str) -> str:
    """The text without case, width and spacing, by which equal texts are found."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
