"""Which models are to be trained, in which order, and how many at a time."""

import json
import os
from pathlib import Path
from typing import Any

from deconfuse.kernel.cores import cores
from deconfuse.kernel.params import check
from deconfuse.params.lineup import LineUp

KINDS = ("train", "evaluate")
Jobs = dict[str, list[str]]
"""Model -> its stages to run, in order."""


def waiting(changed: set[str], models: dict[str, Any]) -> Jobs:
    """The models that have a stage among `changed`, the longest training first, so that none is left alone at the end."""
    jobs: Jobs = {}
    for name in models:
        train, evaluate = (f"{kind}@{name}" for kind in KINDS)
        if train in changed:
            jobs[name] = [train, evaluate]
        elif evaluate in changed:
            jobs[name] = [evaluate]
    return {name: jobs[name] for name in sorted(jobs, key=lambda name: expected(name, jobs[name], models[name]), reverse=True)}


def expected(name: str, stages: list[str], entry: dict[str, Any]) -> tuple[float, int]:
    """Seconds that the training of a model took the last time, and its number of encoders; one never trained may be the longest."""
    encoders = len(entry["encoders"])
    if len(stages) == 1:
        return 0.0, encoders
    try:
        run = json.loads(Path(f"data/models/{name}/run.json").read_text(encoding="utf-8"))
        return float(run["train_seconds"]), encoders
    except (OSError, ValueError, KeyError, TypeError):
        return float("inf"), encoders


def workers(names: list[str], params: dict[str, Any]) -> int:
    """How many of these models are trained at a time."""
    asked = check(params.get("lineup") or {}, LineUp, "lineup").workers
    if asked is not None:
        return asked
    settings = [params.get("train", {}) | (params["models"][name].get("train") or {}) for name in names]
    if has_gpu() and any(one.get("device", "auto") != "cpu" for one in settings):
        return 1
    return max(1, cores() // max((one.get("threads", 1) for one in settings), default=1))


def has_gpu() -> bool:
    """Whether torch may find a GPU, as far as that can be told without its two seconds of import."""
    is_hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return not is_hidden and any(path for pattern in ("nvidia[0-9]*", "kfd", "dxg") for path in Path("/dev").glob(pattern))
