"""WAV and AIFF whose header promises more sound than the file has: libsndfile reads what is there without a word."""

import os
from io import FileIO

FORMS = {b"RIFF": b"data", b"FORM": b"SSND"}
STREAMED = 0x7FFF_F000
"""Programs that write to a pipe cannot know the size: they promise about 2 or 4 GB, or nothing."""


def shortfall(file: FileIO) -> str | None:
    """What is missing, in words that go behind the name of the file; None where nothing is, or where the file is neither."""
    kind = file.read(12)
    if kind[:4] not in FORMS or kind[8:] not in (b"WAVE", b"AIFF", b"AIFC"):
        return None
    while len(header := file.read(8)) == 8:
        size = int.from_bytes(header[4:], "little" if kind[:4] == b"RIFF" else "big")
        if header[:4] == FORMS[kind[:4]]:
            there = os.fstat(file.fileno()).st_size - file.tell()
            short = there < size < STREAMED
            return f"is cut short: its header promises {size} bytes of sound, but {there} are there" if short else None
        # chunks begin at even places
        file.seek(size + size % 2, os.SEEK_CUR)
    return None
