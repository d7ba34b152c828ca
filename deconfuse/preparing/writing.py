"""The arrays of one split on disk, sample by sample."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from deconfuse.arrays import Growing
from deconfuse.kernel.files import whole
from deconfuse.media import Decoded
from deconfuse.params.preprocess import Preprocess

CHUNK = 256


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

    def add(self, identity: str, target: int | float | list[float], cells: dict[str, Decoded | None]) -> None:
        self.ids.append(identity)
        self.targets.append(target)
        self.present.append([cells[name] is not None for name in self.kinds])
        for name, kind in self.kinds.items():
            cell = cells[name]
            self.lengths[name].append(1 if cell is None else cell.length)
            if kind == "text":
                self.files[name].write(json.dumps(cell and cell.value, ensure_ascii=False) + "\n")
            else:
                form = self.forms[name]
                self.files[name].append(np.zeros((1, *form["shape"]), form["dtype"]) if cell is None else np.asarray(cell.value)[None])

    def finish(self, dtype: str, keep: np.ndarray) -> None:
        """Once the files are closed: write what is one array for all rows, and leave out the rows that are not to be kept.

        Args:
            dtype: that of the targets.
            keep: bool (N,).
        """
        rows = self.folder / "rows"
        rows.mkdir()
        ids = [identity for identity, kept in zip(self.ids, keep, strict=True) if kept]
        (rows / "id.json").write_text(json.dumps(ids, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
        np.save(rows / "label.npy", np.array(self.targets, dtype)[keep])
        np.save(rows / "present.npy", np.array(self.present, bool).reshape(len(keep), len(self.kinds))[keep])
        for name, described in self.forms.items():
            if described["timed"]:
                np.save(self.folder / name / "length.npy", np.array(self.lengths[name], np.int32)[keep])
            if not keep.all():
                thin(self.folder / name, described, keep)


def thin(folder: Path, described: dict[str, Any], keep: np.ndarray) -> None:
    """Leave only some rows of a modality's values."""
    if described["kind"] == "text":
        path = folder / "values.jsonl"
        with path.open(encoding="utf-8") as old, whole(path) as temporary, temporary.open("w", encoding="utf-8") as new:
            new.writelines(line for line, kept in zip(old, keep, strict=True) if kept)
        return
    values = np.load(folder / "values.npy", mmap_mode="r")
    with whole(folder / "values.npy") as temporary, Growing(temporary, values.shape[1:], str(values.dtype)) as new:
        for start in range(0, len(values), CHUNK):
            new.append(values[start : start + CHUNK][keep[start : start + CHUNK]])
