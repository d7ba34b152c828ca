"""The Free Spoken Digit Dataset: 3,000 recordings of ten English digits by six speakers, 8 kHz.

Licence CC BY-SA 4.0. Public address: the repository's archive at one commit. The hash is over the recordings' names and contents, computed
from a copy.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from deconfuse.kernel.errors import UserError
from deconfuse.sources._fetch import Content, File, first
from deconfuse.sources._unpack import digest, members

RATE = 8000
COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
CITATION = "Jackson, Z. et al. (2018). Free Spoken Digit Dataset. https://github.com/Jakobovski/free-spoken-digit-dataset"


class Recording(NamedTuple):
    """One spoken digit."""

    name: str
    """`digit_speaker_take`."""
    sound: np.ndarray
    """float64, -1..1."""

    @property
    def speaker(self) -> str:
        return self.name.split("_")[1]


def recordings(path: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every recording in an archive or a folder."""
    return ((name.rsplit("/", 1)[-1], content) for name, content in members(path) if name.endswith(".wav"))


CONTENT = Content(lambda path: digest(recordings(path)), "b43e05cb01f8c65f8fad24059d75b2709dfdf1c7699c554dc67bda40969b6281")
FILES = [
    File(
        "fsdd/free-spoken-digit-dataset.tar.gz",
        (f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.tar.gz",),
        CONTENT,
    ),
    File("fsdd/audio", (), CONTENT, folder=True),
]


def read(mirror: str | None) -> dict[int, list[Recording]]:
    """Digit -> its recordings, in the order of their names."""
    _, path = first(FILES, mirror)
    found = defaultdict(list)
    for name, content in sorted(recordings(path)):
        sound, rate = soundfile.read(io.BytesIO(content))
        if rate != RATE or sound.ndim != 1:
            raise UserError(f"{path}: {name} is no sound of one channel at {RATE} Hz")
        found[int(name.split("_")[0])].append(Recording(name.removesuffix(".wav"), sound))
    return found
