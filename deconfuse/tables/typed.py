"""Typed values as text: what a CSV of the same table would hold."""

import json
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from deconfuse.tables.json_lines import joined
from deconfuse.tables.records import Cell, Fault

if TYPE_CHECKING:
    import pyarrow as pa


def embeds(kind: "pa.DataType") -> bool:
    """Whether cells may hold files: bytes, or bytes and path."""
    from pyarrow import types

    return binary(kind) or (types.is_struct(kind) and any(part.name == "bytes" and binary(part.type) for part in kind))


def binary(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind) or types.is_fixed_size_binary(kind)


def nests(kind: "pa.DataType") -> bool:
    """Whether cells are nested beyond a list of plain values."""
    from pyarrow import types

    inner = kind.value_type if listed(kind) else kind
    return types.is_nested(inner)


def listed(kind: "pa.DataType") -> bool:
    from pyarrow import types

    return types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)


def names_of(schema: "pa.Schema") -> dict[str, list[str]]:
    """Column -> the names of the classes that its numbers stand for, as Hugging Face `datasets` notes them; {} where it does not."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        found = {column: told.get("names") or (told.get("feature") or {}).get("names") for column, told in features.items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        return {}
    return {column: [str(name) for name in names] for column, names in found.items() if isinstance(names, list)}


def textual(kind: "pa.DataType", names: list[str] | None = None) -> Callable[[Any], Cell]:
    """How a value of a type, never null, is written; `names` are those of classes known by number."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return textual(kind.value_type, names)
    if listed(kind):
        inner = textual(kind.value_type, names)
        return lambda values: joined(["" if value is None else inner(value) for value in values])
    if types.is_integer(kind):
        return str if names is None else lambda number: class_name(number, names)
    if types.is_floating(kind):
        return single if types.is_float32(kind) else number
    if types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if binary(kind):
        return decoded
    return str


def class_name(number: int, names: list[str]) -> Cell:
    """The name of a class; -1 stands for none."""
    if number == -1:
        return ""
    return names[number] if 0 <= number < len(names) else Fault(f"class {number}, where the file names {len(names)} classes")


def single(value: float) -> str:
    """A 32-bit float by as few digits as tell it from all others."""
    return number(value) if not math.isfinite(value) else whole(str(np.float32(value)))


def number(value: float) -> str:
    """A float by as few digits as tell it from all others; one that is no number is an empty cell, as pandas writes them."""
    return "" if math.isnan(value) else whole(repr(float(value)))


def whole(digits: str) -> str:
    """Without `.0`: a column of integers with an empty cell is stored as floats by many programs."""
    return digits.removesuffix(".0")


def decoded(value: bytes) -> Cell:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return Fault("bytes that are no UTF-8 text")
