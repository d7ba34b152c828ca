"""The arrays of one split on disk, sample by sample."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from deconfuse.arrays import Growing
from deconfuse.decoding import Sample
from deconfuse.manifest import Row
from deconfuse.params.preprocess import Preprocess


def form(kind: str, options: Preprocess) -> dict[str, Any]:
    """Shape, dtype and rate of one decoded sample of a kind; text has none."""
    if kind == "text":
        return {"kind": kind, "shape": [], "dtype": "text", "timed": False}
    if kind == "audio":
        samples = round(options.audio.seconds * options.audio.rate)
        return {"kind": kind, "shape": [samples], "dtype": "int16", "rate": options.audio.rate, "timed": True}
    like = options.image if kind == "image" else options.video
    shape = [like.channels, like.height, like.width]
    if kind == "video":
        shape = [options.video.frames, *shape]
    return {"kind": kind, "shape": shape, "dtype": "uint8", "timed": kind == "video"}


class Writer:
    """The arrays of one split, sample by sample."""

    def __init__(self, folder: Path, kinds: dict[str, str], options: Preprocess, stack: ExitStack) -> None:
        self.folder, self.kinds = folder, kinds
        self.ids: list[str] = []
        self.targets: list[int | float | list[float]] = []
        self.present: list[list[bool]] = []
        self.lengths: dict[str, list[int]] = {name: [] for name in kinds}
        self.forms = {name: form(kind, options) for name, kind in kinds.items()}
        self.files: dict[str, Any] = {}
        for name, kind in kinds.items():
            (folder / name).mkdir(parents=True)
            if kind == "text":
                self.files[name] = stack.enter_context((folder / name / "values.jsonl").open("w", encoding="utf-8"))
            else:
                described = self.forms[name]
                self.files[name] = stack.enter_context(Growing(folder / name / "values.npy", tuple(described["shape"]), described["dtype"]))

    def add(self, row: Row, target: int | float | list[float], sample: Sample) -> None:
        self.ids.append(row.id)
        self.targets.append(target)
        self.present.append([sample.values[name] is not None for name in self.kinds])
        for name, kind in self.kinds.items():
            value = sample.values[name]
            self.lengths[name].append(sample.lengths[name])
            if kind == "text":
                self.files[name].write(json.dumps(value, ensure_ascii=False) + "\n")
            else:
                form = self.forms[name]
                self.files[name].append(np.zeros((1, *form["shape"]), form["dtype"]) if value is None else value[None])

    def finish(self, dtype: str) -> None:
        """Write what is one array for all rows; `dtype` is that of the targets."""
        rows = self.folder / "rows"
        rows.mkdir()
        (rows / "id.json").write_text(json.dumps(self.ids, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        np.save(rows / "label.npy", np.array(self.targets, dtype))
        np.save(rows / "present.npy", np.array(self.present, bool).reshape(len(self.ids), len(self.kinds)))
        for name, described in self.forms.items():
            if described["timed"]:
                np.save(self.folder / name / "length.npy", np.array(self.lengths[name], np.int32))
