"""A trained model as a model of MLflow: source and safetensors, no pickle."""

import io
import logging
import os
import platform
import warnings
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from deconfuse.serving import bundle

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

CODE = "code.zip"
FOLDER = "model"
"""Where a run keeps the model."""
NEEDED = (
    *("mlflow", "torch", "numpy", "pandas", "safetensors", "pydantic", "einops", "jaxtyping", "ruamel.yaml", "tqdm"),
    *("pillow", "soundfile", "soxr", "av"),
)
# a GIF of two pictures, 8 x 8
PICTURES = (
    "R0lGODlhCAAIAIEAAP///wAAAAAAAAAAACH5BAAUAAAALAAAAAAIAAgAAAgZAAMAEEgQwMCDBAsWRIhQ4UGGCSEadBggIAAh"
    "+QQBFAADACwAAAAACAAIAIHIyMhkZGQAAAAAAAAIIQAHBAAgYKDAgQUBCARA0CDChAsLOmzIMKJBiwoDIJwYEAA7"
)
EXAMPLES = {
    "image": PICTURES,
    "video": PICTURES,
    # 2 ms of a tone
    "audio": "UklGRjQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YRAAAACAoMCggGBAYICgwKCAYEBg",
    "text": "a text",
}
"""Kind -> what a cell may hold."""


def package(name: str, folder: Path, root: Path = Path()) -> dict[str, Any]:
    """Write a trained model as a model of MLflow; of its weights, which can be large, only a link to where they are.

    Args:
        name: of the model, under `models:`.
        folder: new.
        root: of the project.

    Returns what MLflow's pages are to know of it. Raises UserError where the model cannot be served.
    """
    from mlflow.models import Model
    from mlflow.pyfunc import CODE as CODE_KEY
    from mlflow.pyfunc import FLAVOR_NAME, save_model

    with TemporaryDirectory() as temporary, silent():
        about = bundle.write(name, Path(temporary) / "bundle", root)
        # equal trainings are equal models
        made = Model(model_uuid=about["run"][:32], utc_time_created=datetime.fromtimestamp(about["ended"], UTC))
        save_model(
            path=str(folder),
            mlflow_model=made,
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"bundle": str(Path(temporary) / "bundle")},
            signature=signature(about),
            input_example=example(about),
            metadata={"modalities": {name: about["schema"]["modalities"][name]["kind"] for name in about["model"]["modalities"]}},
            pip_requirements=needed(about),
        )
        (folder / bundle.BUNDLE / bundle.WEIGHTS).symlink_to((root / bundle.best_weights(name, root)).resolve())
        (folder / CODE).write_bytes(code())
        (folder / "python_env.yaml").write_text(environment())
        # MLflow notes where it found them on this machine
        flavor = made.flavors[FLAVOR_NAME]
        flavor["model_code_path"] = Path(flavor["model_code_path"]).name
        flavor["artifacts"]["bundle"]["uri"] = flavor["artifacts"]["bundle"]["path"]
        # what MLflow puts before Python's own path
        flavor[CODE_KEY] = CODE
        made.model_size_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.name != "MLmodel")
        made.save(str(folder / "MLmodel"))
    return made.get_tags_dict()


@cache
def code() -> bytes:
    """The project's package in one file, which Python imports from as it is; a folder would be two hundred files a model. Equal sources
    are equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for path in sorted(bundle.PACKAGE.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = path.relative_to(bundle.PACKAGE.parent).as_posix()
                archive.writestr(zipfile.ZipInfo(name), path.read_bytes(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def signature(about: dict[str, Any]) -> "ModelSignature":
    """A column for each modality, none of which must be there.

    All take texts, but are not declared so: of a null MLflow would make the text None, and of a number its digits.
    """
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema
    from mlflow.types.schema import AnyType, Map

    named = about["model"]["modalities"]
    columns = [ColSpec(AnyType(), name, required=False) for name in named]
    answers = [ColSpec(AnyType(), "label"), ColSpec(Map(DataType.double), "probabilities", required=False)]
    return ModelSignature(
        Schema(columns),  # ty: ignore[invalid-argument-type]
        Schema(answers),
        ParamSchema([ParamSpec("contributions", DataType.boolean, default=False)]),
    )


def example(about: dict[str, Any]) -> "pd.DataFrame":
    """A row that the model answers: every modality is there."""
    import pandas as pd

    known = about["schema"]["modalities"]
    return pd.DataFrame([{name: EXAMPLES[known[name]["kind"]] for name in about["model"]["modalities"]}])


def needed(about: dict[str, Any]) -> list[str]:
    """What a machine must have installed to serve the model, at the versions of this one."""
    options = bundle.named(about["model"])
    libraries = {one["library"] for one in options if "library" in one} | {"transformers" for one in options if one["name"] == "wordpieces"}
    return [f"{name}=={version(name)}" for name in (*NEEDED, *sorted(libraries))]


def environment() -> str:
    """The Python of a machine that serves the model. MLflow would pin what installs packages, too, by what the process at hand happens to
    have on its path: once setuptools is imported, that is a `wheel` of its own."""
    return f"python: {platform.python_version()}\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n"


@cache
def version(name: str) -> str:
    return metadata.version(name)


@contextmanager
def silent() -> Generator[None]:
    """Without MLflow's advice on how models are made."""
    # it would take along what it finds in the current folder
    os.environ.setdefault("MLFLOW_UV_AUTO_DETECT", "false")
    log = logging.getLogger("mlflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
