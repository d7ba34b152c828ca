"""The champion's files, brought to where they are used from."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import read_json, whole
from deconfuse.kernel.params import check, load
from deconfuse.params.tracking import Tracking
from deconfuse.serving.bundle import ABOUT, BUNDLE
from deconfuse.serving.champion import ALIAS, holder, legal
from deconfuse.serving.packaging import CODE, FOLDER, package
from deconfuse.tracking.faults import one_line
from deconfuse.tracking.store import find

PLACE = Path("data/served") / FOLDER


def fetch(model: str | None) -> Path:
    """Put a packaged model into `data/served`: that of a trained model of the current folder, or the registry's champion.

    Raises UserError where there is none.
    """
    with whole(PLACE.parent) as folder:
        folder.mkdir()
        if model is not None:
            package(model, folder / PLACE.name)
        else:
            from_registry(folder)
    about = read_json(PLACE / BUNDLE / ABOUT)
    print(f"model {about['model']['name']}, training {about['run'][:12]}", file=sys.stderr)
    return PLACE


def from_registry(folder: Path) -> None:
    tracking = check(load().get("tracking") or {}, Tracking, "tracking")
    store, name = find(), legal(tracking.experiment)
    try:
        with store.alone():
            store.prepare()
        champion = holder(store.client(), name, ALIAS)
        if champion is not None:
            store.client().download_artifacts(str(champion.run_id), FOLDER, str(folder))
    # MLflow lets through errors of SQLAlchemy, requests and the disk
    except Exception as error:  # noqa: BLE001
        raise UserError(f"the champion cannot be had from {store}: {one_line(error)}") from None
    if champion is None:
        raise UserError(f"{store} has no champion of {name!r} yet: run `dvc repro` or `make sync`; or name a trained model with --model")


def run(module: str, *arguments: str) -> NoReturn:
    """Become a process that works with the code in the packaged model, the one that it was trained by."""
    code = str((PLACE / CODE).absolute())
    paths = [code, *filter(None, [os.environ.get("PYTHONPATH")])]
    # -P: else the current folder's own code would come first
    os.execve(  # noqa: S606
        sys.executable, [sys.executable, "-P", "-m", module, *arguments], os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    )
