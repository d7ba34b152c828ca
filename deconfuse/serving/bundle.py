"""The files that a served model is made of: weights, what describes them, and the local files that its params name.

`about.json` holds `model` (model.json, the paths in it those of the bundle), `schema` (schema.json, of the params of the data what a table
to be answered is read by), `weights` (their SHA-256), `train` (of its params `device`, `threads` and `precision`), `run` (the digest of the
training) and `ended` (when, in unix seconds).
"""

import hashlib
import shutil
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import digest_data, read_json, write_json

PACKAGE = Path(__file__).parents[1]
MODELS, SCHEMA = Path("data/models"), Path("data/prepared/schema.json")
ABOUT, WEIGHTS, ASSETS = "about.json", "weights.safetensors", "assets"
BUNDLE = Path("artifacts/bundle")
"""Where MLflow keeps it in a packaged model."""
ASKED = ("columns", "encoding")
"""Of the params of the data: by them a table that is to be answered is read as the one was that the model learnt from."""
LARGEST = 256 * 2**20
"""Bytes of a local file that is copied into the bundle; a larger one is named by where it lies."""


def write(name: str, folder: Path, root: Path = Path()) -> dict[str, Any]:
    """Gather what serves a trained model of the project at `root`, but for the weights: those of its best seed on the validation split,
    see `best_weights`. `folder` is new. Returns what `about.json` holds.

    Raises UserError where the model is not trained, its weights are damaged, or the data were prepared anew since.
    """
    model, run, schema = (read_json(root / path) for path in (MODELS / name / "model.json", MODELS / name / "run.json", SCHEMA))
    if not is_current(name, root):
        raise UserError(f"{MODELS / name} was trained on other data than {SCHEMA} describes; run `dvc repro`")
    folder.mkdir(parents=True)
    asked = {key: value for key, value in schema["params"].get("data", {}).items() if key in ASKED}
    facts = schema | {"params": schema["params"] | {"data": asked}}
    about = {"model": with_assets(model, folder), "schema": facts, "weights": model["seeds"][str(model["best_seed"])]["sha256"]}
    about |= {"train": {key: run["params"]["train"][key] for key in ("device", "threads", "precision")}}
    about |= {"run": run["digest"], "ended": run["ended"]}
    write_json(folder / ABOUT, about)
    checked(root / best_weights(name, root), about)
    return about


def best_weights(name: str, root: Path = Path()) -> Path:
    """From `root` on, the file of the weights that serve a trained model."""
    folder = MODELS / name
    return folder / "seeds" / str(read_json(root / folder / "model.json")["best_seed"]) / WEIGHTS


def is_current(name: str, root: Path = Path()) -> bool:
    """Whether a trained model is one of the data that are prepared now."""
    model, run = (read_json(root / MODELS / name / file) for file in ("model.json", "run.json"))
    return digest_data(read_json(root / SCHEMA), model["specs"]) == run["digests"]["data"]


def is_of_this_code(run: dict[str, Any]) -> bool:
    """Whether the code that a run.json tells of is the present one; earlier versions of this project did not note it."""
    sources = {path: digest for path, digest in run.get("sources", {}).items() if path.startswith(f"{PACKAGE.name}/")}
    return bool(sources) and all(source_digest(PACKAGE.parent / path) == digest for path, digest in sources.items())


@cache
def source_digest(path: Path) -> str | None:
    """SHA-256 of a source; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def read(folder: Path) -> tuple[dict[str, Any], bytes]:
    """What `about.json` holds, the paths in it those of this machine; and the weights' bytes. Raises UserError where these differ."""
    about = read_json(folder / ABOUT)
    for options in named(about["model"]):
        for key, value in options.items():
            if isinstance(value, str) and value.startswith(f"{ASSETS}/"):
                options[key] = str(folder / value)
    return about, checked(folder / WEIGHTS, about)


def checked(path: Path, about: dict[str, Any]) -> bytes:
    """The weights, whose bytes must be those that `train` wrote: a flipped bit would load silently."""
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != about["weights"]:
        raise UserError(f"{path} is not what was trained: its SHA-256 differs from that in {ABOUT}")
    return content


def with_assets(model: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A copy of model.json, whose local files (vectors of words, pretrained networks) are copied into the bundle."""
    model = deepcopy(model)
    taken: dict[str, str] = {}
    for options in named(model):
        for key in ("path", "network"):
            place = options.get(key)
            if place is not None and Path(place).exists():
                options[key] = taken.setdefault(place, kept(Path(place), folder, len(taken)))
    return model


def named(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The options of every embedding and encoder of a model."""
    return [*(spec["params"] for spec in model["specs"].values()), *model["params"]["encoders"].values()]


def kept(path: Path, folder: Path, number: int) -> str:
    """Copy a file or folder; its path from the bundle on, or its absolute one where it is too large to be copied."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    if sum(file.stat().st_size for file in files) > LARGEST:
        return str(path.absolute())
    target = Path(ASSETS) / str(number) / path.name
    (folder / target).parent.mkdir(parents=True)
    if path.is_file():
        shutil.copyfile(path, folder / target)
    else:
        shutil.copytree(path, folder / target)
    return target.as_posix()
