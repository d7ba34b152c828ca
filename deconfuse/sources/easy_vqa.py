"""easy-VQA: questions on pictures of one shape, 64 x 64, in colour, and 13 answers.

Public address: the repository's archive at one commit, with 5,000 pictures and about 48,000 questions. Its hash is over the pictures' names
and contents, computed from a copy; the questions are checked against the pictures and the answers that there may be.
A mirror folder may hold a table of 11,000 of the questions instead (`manifest.csv`, with a val split, and `images/`), hashed as a whole.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from deconfuse.arrays import Growing
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.progress import progress
from deconfuse.limiting import spread
from deconfuse.manifest import Row, writing
from deconfuse.sources._fetch import Content, File, first
from deconfuse.sources._unpack import digest, members

ABOUT = {
    "name": "easy_vqa",
    "title": "easy-VQA",
    "licence": "MIT",
    "citation": "Zhou, V. (2019). easy-VQA. https://github.com/vzhou842/easy-VQA",
    "modalities": {"image": {"kind": "image"}, "text": {"kind": "text"}},
}
COMMIT = "3b553bb7ff42a868d5f4cbe8c88255d7333c3c31"
PICTURE = re.compile(r"(?:^|/)(?:data/)?(train|test)/images/(\d+)\.png$|^images/(train|test)_(\d+)\.png$")
ANSWERS = {"black", "blue", "brown", "gray", "green", "red", "teal", "yellow", "circle", "rectangle", "triangle", "yes", "no"}
NOTE = "11,000 of the questions, with a val split of their own; the pictures are all 5,000"


def pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    """The pictures of an archive or folder, named `train/17`."""
    for name, content in members(path):
        if found := PICTURE.search(name):
            yield "/".join(part for part in found.groups() if part is not None), content


def own_files(path: Path) -> Iterator[tuple[str, bytes]]:
    """What the mirror's folder holds, but for notes beside it."""
    return ((name, content) for name, content in members(path) if name == "manifest.csv" or name.startswith("images/"))


ARCHIVE = File(
    "easy_vqa/easy-VQA.tar.gz",
    (f"https://github.com/vzhou842/easy-VQA/archive/{COMMIT}.tar.gz",),
    Content(lambda path: digest(pictures(path)), "ad4e7a091747212993c404c46d5707c35c3a5797533bdf067971998531416a9f"),
)
SAMPLE = File(
    "easy_vqa",
    (),
    Content(lambda path: digest(own_files(path)), "6871826cae3b9c3ff431cbe3b5186081e7cca129af2579d8f4ae38da8d6d38e9"),
    folder=True,
)


class Question(NamedTuple):
    """One row."""

    line: int
    id: str
    split: str
    answer: str
    text: str
    picture: str
    """Its name as `pictures` gives it."""


def make(options: None, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write manifest and pictures; there are no options."""
    file, path = first([ARCHIVE, SAMPLE], mirror)
    questions = list(_sampled(path) if file is SAMPLE else _all(path))
    kept = [questions[place] for place in spread([(question.split, question.answer) for question in questions], limit)]
    places = {name: place for place, name in enumerate(dict.fromkeys(question.picture for question in kept))}
    _write_pictures(folder / "images.npy", path, places)
    with writing(folder / "manifest.csv", ["image", "text"], ["picture"]) as manifest:
        for line, name, split, answer, text, picture in kept:
            cells = {"image": f"images.npy#{places[picture]}", "text": text}
            manifest.add(Row(line, name, split, answer, cells, {"picture": picture}))
    return ABOUT | ({"title": "easy-VQA (sample of 11,000 questions)", "notes": [NOTE]} if file is SAMPLE else {})


def _write_pictures(array: Path, path: Path, places: dict[str, int]) -> None:
    """The pictures that `places` names, in its order, as uint8 (N, 64, 64, 3)."""
    found = {name: content for name, content in pictures(path) if name in places}
    if missing := places.keys() - found.keys():
        raise UserError(f"{path}: a question is on the picture {min(missing)}, which is not there")
    with Growing(array, (64, 64, 3), "uint8") as file:
        for name in progress(places, "pictures", unit="picture"):
            with Image.open(io.BytesIO(found[name])) as picture:
                file.append(np.asarray(picture.convert("RGB"))[None])


def _sampled(path: Path) -> Iterator[Question]:
    with (path / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            name = row["image"].removeprefix("images/").removesuffix(".png").replace("_", "/")
            yield Question(line, row["id"], row["split"], row["label"], row["text"], name)


def _all(path: Path) -> Iterator[Question]:
    found = {name.split("/")[-2]: json.loads(content) for name, content in members(path) if name.endswith("/questions.json")}
    line = 0
    for split in ("train", "test"):
        if split not in found:
            raise UserError(f"{path} has no {split}/questions.json")
        for number, (text, answer, picture) in enumerate(found[split]):
            line += 1
            if answer not in ANSWERS:
                raise UserError(f"{path}: {split} question {number} has the answer {answer!r}, which easy-VQA does not know")
            yield Question(line, f"{split}_{number}", split, answer, text, f"{split}/{picture}")
