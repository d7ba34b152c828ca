"""A trained model as a model of MLflow: source and safetensors, no pickle."""

import logging
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from deconfuse.serving import bundle

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.models import ModelSignature

PACKAGE = Path(__file__).parents[1]
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


def package(name: str, folder: Path) -> dict[str, Any]:
    """Write a trained model of the current folder as a model of MLflow.

    Args:
        name: of the model, under `models:`.
        folder: new.

    Returns what the bundle's `about.json` holds. Raises UserError where the model cannot be served.
    """
    from mlflow.models import Model
    from mlflow.pyfunc import FLAVOR_NAME, save_model

    with TemporaryDirectory() as temporary, silent():
        about = bundle.write(name, Path(temporary) / "bundle")
        # equal trainings are equal models
        made = Model(model_uuid=about["run"][:32], utc_time_created=datetime.fromtimestamp(about["ended"], UTC))
        save_model(
            path=str(folder),
            mlflow_model=made,
            python_model=str(Path(__file__).with_name("pyfunc.py")),
            artifacts={"bundle": str(Path(temporary) / "bundle")},
            code_paths=[str(PACKAGE)],
            signature=signature(about),
            input_example=example(about),
            metadata={"modalities": {name: about["schema"]["modalities"][name]["kind"] for name in about["model"]["modalities"]}},
            pip_requirements=needed(about),
        )
        # MLflow notes where it found them on this machine
        flavor = made.flavors[FLAVOR_NAME]
        flavor["model_code_path"] = Path(flavor["model_code_path"]).name
        flavor["artifacts"]["bundle"]["uri"] = flavor["artifacts"]["bundle"]["path"]
        made.save(str(folder / "MLmodel"))
    return about


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


@contextmanager
def silent() -> Generator[None]:
    """Without MLflow's advice on how models are made."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    log = logging.getLogger("mlflow")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(before)
