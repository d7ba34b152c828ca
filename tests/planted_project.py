"""Small data sets in which it is known what each modality does, as projects that the stages themselves have made: raw media to a report."""

import json
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from finished_project import write_csv, write_json
from PIL import Image

from deconfuse.params.report import Report
from deconfuse.reporting.page import write
from stages import embed, evaluate, preprocess, train

SPLITS = {"train": 280, "val": 80, "test": 200}
WORDS = ("ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "willow")
RATE = 4000
EMBED = {"audio": "log_mel", "image": "pixels", "text": "words"}
ENCODERS = {"audio": "cnn", "image": "cnn", "text": "lstm"}
PREPROCESS = {"image": {"height": 8, "width": 8, "channels": 1}, "audio": {"rate": RATE, "seconds": 0.1}, "workers": 1}

Cell = Callable[[Path, int, Any, np.random.Generator], str]
"""From the folder of the media, a row's place and what the cell is to say to the cell."""


def tone(folder: Path, place: int, pitch: int | None, draw: np.random.Generator) -> str:
    """A sound: noise, and in it a tone of a pitch where one is to be heard."""
    time = np.arange(RATE // 10) / RATE
    sound = 0.05 * draw.standard_normal(len(time))
    if pitch is not None:
        sound += 0.4 * np.sin(2 * np.pi * (300 + 250 * pitch) * time)
    soundfile.write(folder / f"{place}.wav", sound, RATE, subtype="PCM_16")
    return f"{place}.wav"


def picture(folder: Path, place: int, bright: int | None, draw: np.random.Generator) -> str:
    """A picture of noise, with one of its quarters bright where one is to be seen."""
    pixels = draw.integers(0, 160, (8, 8))
    if bright is not None:
        row, column = divmod(bright, 2)
        pixels[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] += 95
    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{place}.png")
    return f"{place}.png"


def words(folder: Path, place: int, word: str | None, draw: np.random.Generator) -> str:
    """Three words, the first of which is the one to be said."""
    said = list(draw.choice(WORDS, 3))
    return " ".join(said if word is None else [word, *said[1:]])


MEDIA: dict[str, Cell] = {"audio": tone, "image": picture, "text": words}


def build(
    root: Path, classes: list[str], kinds: dict[str, str], row: Callable[[np.random.Generator], tuple[int, dict[str, Any]]], **more: Any
) -> None:
    """A project, trained, evaluated and reported.

    Args:
        root: where.
        classes: their names.
        kinds: modality -> kind of media.
        row: draws a row: its class, and what each of its modalities is to say (see MEDIA).
        more: further entries of `models:`, beside `concat` of all modalities.
    """
    draw = np.random.default_rng(0)
    raw = root / "data/raw"
    table: list[list[object]] = [["line", "id", "split", "label", *sorted(kinds)]]
    for place, split in enumerate(split for split, number in SPLITS.items() for _ in range(number)):
        label, said = row(draw)
        cells = []
        for name, kind in sorted(kinds.items()):
            (raw / name).mkdir(parents=True, exist_ok=True)
            cell = MEDIA[kind](raw / name, place, said.get(name), draw)
            cells.append(cell if kind == "text" else f"{name}/{cell}")
        table.append([place + 2, f"row-{place}", split, classes[label], *cells])
    write_csv(raw / "manifest.csv", table)
    about = {"name": "planted", "title": "Planted", "licence": "CC0-1.0", "citation": "", "notes": [], "params": {"source": "planted"}}
    write_json(
        raw / "source.json", about | {"modalities": {name: {"kind": kind, "media": ""} for name, kind in kinds.items()}, "digest": "0"}
    )
    (raw / "rejected.csv").write_text('"line","id","column","reason"\n')
    models = {"concat": {"encoders": {name: ENCODERS[kind] for name, kind in kinds.items()}, "fusion": "concat", "width": 16}, **more}
    params = {
        **{"preprocess": PREPROCESS, "embed": {name: EMBED[kind] for name, kind in kinds.items()}, "models": models},
        **{"train": {"epochs": 12, "learning_rate": 0.01}, "evaluate": {}, "tracking": {}},
    }
    (root / "params.yaml").write_text(json.dumps(params))
    with chdir(root):
        preprocess.main()
        for name in kinds:
            embed.main(name)
        for name in models:
            train.main(name)
            evaluate.main(name)
        write(list(models), Report(), Path())
