"""What a run was: its code, its machine, its place in git and DVC."""

import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deconfuse.kernel.files import digest_data, digest_json
from deconfuse.kernel.params import load
from deconfuse.params.models import Model
from deconfuse.params.train import Train

PACKAGE = Path(__file__).parents[1]
PARTS = ("augmentation", "encoders", "fusion")


def identity(entry: Model, settings: Train, schema: dict[str, Any], specs: dict[str, dict[str, Any]], processes: int = 1) -> dict[str, Any]:
    """What makes this run this run: the params of all stages that led to it, and digests of params, data and code.

    Each seed has a digest of its own: that of a run with this seed alone. Of `train.launch` only how many processes there are in all,
    and what each holds: where they run makes no difference.
    """
    launch = {"processes": processes} | ({"strategy": settings.launch.strategy} if processes > 1 else {})
    # neither how often a training is saved nor where its data lie makes it another one
    resolved = {
        "train": settings.model_dump(mode="json", exclude={"checkpoint", "resident"}) | {"launch": launch},
        "model": entry.model_dump(mode="json", exclude={"train"}),
    }
    used = {f"deconfuse.encoders.{chosen.name}" for chosen in entry.encoders.values()}
    if entry.fusion is not None:
        used.add(f"deconfuse.fusion.{entry.fusion.name}")
    used |= {f"deconfuse.augmentation.{chosen.name}" for chain in entry.augment.values() for chosen in chain}
    code = sources(used)
    digests = {"params": digest_json(resolved), "data": digest_data(schema, specs), "code": digest_json(code)}
    alone = {seed: resolved | {"train": resolved["train"] | {"seeds": [seed]}} for seed in settings.seeds}
    led = schema["params"] | {"embed": {modality: spec["params"] for modality, spec in specs.items()}}
    return {
        "params": led | resolved,
        "digests": digests,
        "digest": digest_json(digests),
        "sources": code,
        "seeds": {str(seed): {"digest": digest_json(digests | {"params": digest_json(alone[seed])})} for seed in settings.seeds},
    }


def sources(used: set[str]) -> dict[str, str]:
    """SHA-256 of the sources that have been imported from the project, by their paths from its root on.

    Of the folders whose parts are taken by name, only the parts in `used` (module names) count: an edit of an encoder
    that a model does not use leaves the code what it is.
    """
    found = {}
    for name, module in sys.modules.items():
        file = getattr(module, "__file__", None)
        if name.split(".")[0] in ("deconfuse", "stages") and file and (shared(name) or name in used):
            place = Path(*name.split("."), "__init__.py") if Path(file).name == "__init__.py" else Path(*name.split(".")).with_suffix(".py")
            found[place.as_posix()] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return found


def shared(name: str) -> bool:
    """Whether a module belongs to every model, not to those that name it."""
    steps = name.split(".")
    return len(steps) < 3 or steps[1] not in PARTS or steps[2].startswith("_")


def circumstances(device: torch.device, processes: int) -> dict[str, Any]:
    """Where and how it is run, for the record: machine, versions, git, DVC, and params.yaml as it is written."""
    return {"environment": environment(device) | {"processes": processes}, "git": git(), "dvc": dvc(), "written": load()}


def environment(device: torch.device) -> dict[str, str | int]:
    """Versions and machine, for the record."""
    return {
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "host": platform.node(),
        "cores": os.cpu_count() or 1,
        "platform": platform.platform(),
        "processor": processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
    }


def processor() -> str:
    """The processor's name where Linux tells it, else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def git() -> dict[str, str | bool | None]:
    """The commit of the working folder, and whether files differ from it, but for what DVC itself writes; nulls outside git."""

    def ask(*words: str) -> str | None:
        try:
            return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return None

    # else no run of a fresh clone would be of a commit: the stages before have been noted there
    status = ask("status", "--porcelain", "--", ":(top)", ":(exclude)dvc.lock")
    return {"commit": ask("rev-parse", "HEAD"), "dirty": None if status is None else bool(status)}


def dvc() -> dict[str, str | None]:
    """The stage and experiment that DVC runs, by its environment variables; nulls outside."""
    names = {"stage": "DVC_STAGE", "experiment": "DVC_EXP_NAME", "baseline": "DVC_EXP_BASELINE_REV"}
    return {key: os.environ.get(name) for key, name in names.items()}
