"""Read `params.yaml` as DVC reads it, and check a section of it."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.explain import explain

Section = TypeVar("Section")
FILE = Path("params.yaml")


def load(path: Path = FILE) -> dict[str, Any]:
    """All of a params file as plain values, read as YAML 1.2 like DVC does: `1e-3` is a number, `no` a word.

    Raises UserError where the file is missing, is no YAML, names a key twice, or is no mapping.
    """
    try:
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root, where it stands") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} must hold sections such as `data:` and `models:`, but holds {values!r}")
    return values


def check(values: object, kind: type[Section] | Any, key: str = "", path: Path = FILE) -> Section:
    """`values`, found at `key` (dotted; "" is the whole file), as the pydantic type `kind`.

    Types are strict: "3" is no number, true is no integer. Raises UserError that names every wrong key, what was found and what is allowed.
    """
    # by way of JSON, strict pydantic takes a list for a tuple but still no text for a number
    text = json.dumps(values, default=str)
    try:
        return TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError as error:
        raise UserError(explain(error, kind, key, str(path))) from None


def read(key: str, kind: type[Section] | Any, path: Path = FILE) -> Section:
    """One part of the params file, checked: `read("train", Train)`, `read("models.concat", Model)`."""
    values: Any = load(path)
    for step in key.split("."):
        if not isinstance(values, dict) or step not in values:
            raise UserError(f"{path}: `{key}` is missing")
        values = values[step]
    return check(values, kind, key, path)
