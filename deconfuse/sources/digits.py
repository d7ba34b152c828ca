"""The embedded data set: handwritten digits, each with a spoken, a transcribed and a filmed companion.

Nothing is fetched: the handwriting comes with scikit-learn, the speech lies in `data/sources/digits/` with its data card.
"""

import csv
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from numpy.random import Generator, default_rng
from PIL import Image

from deconfuse.arrays import Growing
from deconfuse.forked import forked
from deconfuse.kernel.cores import cores
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.progress import progress
from deconfuse.manifest import Row, writing
from deconfuse.params.digits import Digits
from deconfuse.sources._degrade import cover, drift, drown, mishear
from deconfuse.sources._split import Group, choose, divide
from deconfuse.sources._split import Row as Choice

SPEECH = Path("data/sources/digits")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
MODALITIES = ["audio", "image", "text", "video"]
RATE = 8000
IMAGE_SIDE, FILMED_SIDE, FIELD_SIDE, FRAMES = 32, 16, 24, 8
ABOUT = {
    "name": "digits",
    "title": "Digits: written, spoken, transcribed, filmed",
    "licence": "handwriting CC BY 4.0 (UCI); speech CC0 1.0 (made with espeak-ng)",
    "citation": "Alpaydin, E. & Kaynak, C. (1998). Optical Recognition of Handwritten Digits. UCI Machine Learning Repository. "
    "https://doi.org/10.24432/C50P49",
    "modalities": {name: {"kind": name} for name in MODALITIES},
}

Array = np.ndarray


def make(options: Digits, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write `manifest.csv` and the media of `limit` rows (None: all 1,797) into a folder: clips as files, the others in one array each,
    since thousands of small files cost DVC seconds.

    Returns name, title, licence, citation and modalities of the source. Every cell draws from (seed, row, modality) alone,
    so neither `limit` nor the damage to one modality changes another cell. Nothing is fetched, so `mirror` has no part in it.
    Raises UserError where the speech is missing.
    """
    scans, labels = read_scans()
    groups = divide(labels, options.seed)
    (folder / "video").mkdir(parents=True, exist_ok=True)
    with (
        writing(folder / "manifest.csv", MODALITIES, []) as manifest,
        Growing(folder / "images.npy", (IMAGE_SIDE, IMAGE_SIDE), "uint8") as images,
        Growing(folder / "sounds.npy", (RATE,), "int16") as sounds,
    ):
        corpus = _Corpus(options, folder, scans, read_speech(), groups, images, sounds, [])
        for row in progress(choose(groups, limit), "digits", unit="row"):
            cells = dict(zip(MODALITIES, corpus.cells(row), strict=True))
            manifest.add(Row(row.number + 1, row.id, row.group.split, str(row.group.label), cells))
    number = cores()
    for _ in forked([partial(corpus.write_films, corpus.filmed[first::number]) for first in range(number)], number):
        pass
    return ABOUT


def read_scans() -> tuple[Array, Array]:
    """Handwritten digits (1797, 8, 8) as float, 0 (paper) to 255 (ink), and their labels (1797,).

    The file is read as it lies in scikit-learn, whose import would take a second of CPU. Raises UserError where it is missing.
    """
    found = find_spec("sklearn")
    path = Path(found.origin or "" if found else "").parent / "datasets/data/digits.csv.gz"
    try:
        table = np.loadtxt(path, delimiter=",")
    except OSError as error:
        raise UserError(f"the handwriting that comes with scikit-learn cannot be read ({error}); install scikit-learn anew") from None
    return table[:, :-1].reshape(-1, 8, 8) * (255 / 16), table[:, -1].astype(int)


def read_speech() -> dict[Group, list[Array]]:
    """The spoken words (float, -1..1, 8 kHz) by split and digit, in the table's order."""
    clips: dict[Group, list[Array]] = defaultdict(list)
    try:
        sound, _ = soundfile.read(SPEECH / "speech.ogg")
        with (SPEECH / "speech.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                start, length = int(row["offset"]), int(row["length"])
                clips[Group(row["split"], int(row["digit"]))].append(sound[start : start + length])
    except (OSError, soundfile.LibsndfileError) as error:
        raise UserError(f"the speech of the data set cannot be read ({error}); `git checkout {SPEECH}` brings it back") from None
    return clips


@dataclass(frozen=True)
class _Corpus:
    """What the cells are made of; each method writes what one cell names and returns that."""

    options: Digits
    folder: Path
    scans: Array
    """(1797, 8, 8) float, 0 (paper) to 255 (ink)."""
    speech: dict[Group, list[Array]]
    groups: dict[Group, list[int]]
    images: Growing
    sounds: Growing
    filmed: list[Choice]
    """The rows that have a film."""

    def cells(self, row: Choice) -> list[str]:
        gone = self._draw(row, "missing").random(len(MODALITIES)) < self.options.missing
        if gone.all():
            gone[self._draw(row, "kept").integers(len(gone))] = False
        return ["" if empty else getattr(self, name)(row, self._draw(row, name)) for name, empty in zip(MODALITIES, gone, strict=True)]

    def audio(self, row: Choice, draw: Generator) -> str:
        clips = self.speech[row.group]
        sound = drown(clips[draw.integers(len(clips))], RATE, self.options.audio.snr, draw)
        self.sounds.append((sound * 32767).round().astype(np.int16)[None])
        return f"sounds.npy#{self.sounds.rows - 1}@{RATE}"

    def image(self, row: Choice, draw: Generator) -> str:
        picture = cover(enlarge(self.scans[row.number], IMAGE_SIDE), self.options.image.covered, draw)
        self.images.append(picture[None])
        return f"images.npy#{self.images.rows - 1}"

    def text(self, row: Choice, draw: Generator) -> str:
        return mishear(WORDS[row.group.label], **self.options.text.model_dump(), draw=draw)

    def video(self, row: Choice, draw: Generator) -> str:
        self.filmed.append(row)
        return film_of(row)

    def write_films(self, rows: list[Choice]) -> None:
        for row in rows:
            draw = self._draw(row, "video")
            others = [other for other in self.groups[row.group] if other != row.number]
            picture = enlarge(self.scans[others[draw.integers(len(others))]], FILMED_SIDE)
            write_film(self.folder / film_of(row), drift(picture, FRAMES, FIELD_SIDE, self.options.video.noise, draw))

    def _draw(self, row: Choice, name: str) -> Generator:
        return default_rng([self.options.seed, row.number, *name.encode()])


def film_of(row: Choice) -> str:
    return f"video/{row.id}.mp4"


def enlarge(scan: Array, side: int) -> Array:
    """A scan (8, 8), 0 to 255, as uint8 (side, side), bicubic."""
    return np.asarray(Image.fromarray(scan.round().astype(np.uint8)).resize((side, side), Image.Resampling.BICUBIC))


def write_film(path: Path, film: Array) -> None:
    """Write uint8 (T, H, W), even sides, as H.264 at 8 frames a second, almost without loss.

    Its bytes are stable: one thread, no date, and zerolatency, since x264's look-ahead gave other bytes in one run of five.
    """
    options = {"crf": "12", "preset": "veryfast", "tune": "zerolatency", "threads": "1"}
    with av.open(path, "w", format="mp4", container_options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libx264", rate=FRAMES, options=options)
        stream.height, stream.width = film.shape[1:]
        stream.pix_fmt = "yuv420p"
        for picture in film:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="gray")))
        file.mux(stream.encode())
