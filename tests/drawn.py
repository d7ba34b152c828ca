"""Models and settings drawn by chance: what is to hold of all is then not tried on those alone that somebody thought of."""

import random
from typing import Any, Literal, get_args, get_origin

import torch
from small_project import SPECS

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, options, part
from deconfuse.kernel.params import check
from deconfuse.model.build import build
from deconfuse.params.models import Model
from deconfuse.params.train import Train

SETTINGS: dict[str, list[Any]] = {
    "patience": [1, 2],
    "batch_size": [2, 7, 16, 64],
    "micro_batch": [3, 8],
    "optimizer": ["sgd", "adam", "adamw"],
    "momentum": [0.0, 0.5],
    "learning_rate": [0.001, 0.01],
    "schedule": ["cosine", "linear", "constant"],
    "warmup": [0.0, 0.3],
    "weight_decay": [0.0, 0.1],
    "clip": [0.1, 1.0],
    "ema": [0.5, 0.99],
    "l1": [0.001],
    "class_weights": ["balanced"],
    "label_smoothing": [0.2],
    "reconstruction": [0.5],
    "modality_dropout": [0.3],
    "mixup": [0.4],
    "precision": ["auto", "fp32", "bf16"],
    "diagnose": [True, False],
}
# whoever draws chooses these; a compiler would cost more than all the rest, and a GPU need not be there
CHOSEN = {"seeds", "epochs", "device", "resident", "compile", "cuda_graph", "checkpoint", "threads", "launch"}


def model(draw: random.Random) -> dict[str, Any]:
    """An entry of `models:` for the small project, that can be built and trained."""
    assert set(SETTINGS) | CHOSEN == set(Train.model_fields), "a setting that is new"
    while True:
        found = entry(draw)
        try:
            build(check(found, Model), SPECS, torch.zeros(3), "models.drawn")
        except UserError:
            # options that do not go together
            continue
        settings = {name: draw.choice(values) for name, values in SETTINGS.items() if draw.random() < 0.4}
        if not any(part("encoders", one["name"]).reconstructs for one in found["encoders"].values()):
            settings.pop("reconstruction", None)
        return found | {"train": settings}


def entry(draw: random.Random) -> dict[str, Any]:
    used = sorted(draw.sample(sorted(SPECS), draw.randint(1, len(SPECS))))
    found: dict[str, Any] = {"width": 8, "encoders": {name: one("encoders", SPECS[name]["layout"], draw) for name in used}}
    if len(used) > 1:
        found["fusion"] = one("fusion", None, draw)
    if draw.random() < 0.3:
        found["dropout"] = 0.3
    changed = [name for name in used if draw.random() < 0.4]
    return found | ({"augment": {name: [one("augmentation", SPECS[name]["layout"], draw)] for name in changed}} if changed else {})


def one(package: str, layout: str | None, draw: random.Random) -> dict[str, Any]:
    """A part of a folder that reads such a layout, with those of its options drawn that are a choice."""
    fit = [name for name in names(package) if layout is None or layout in part(package, name).layouts]
    # its network would have to be on the disk
    name = draw.choice([name for name in fit if name != "pretrained"])
    kinds = {key: field.annotation for key, field in options(package, name).model_fields.items() if key != "name"}
    choices = {key: get_args(kind) for key, kind in kinds.items() if get_origin(kind) is Literal}
    choices |= dict.fromkeys((key for key, kind in kinds.items() if kind is bool), (False, True))
    return {"name": name} | {key: draw.choice(values) for key, values in choices.items() if draw.random() < 0.4}
