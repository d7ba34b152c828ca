"""JSON Lines: an object a line, its keys the columns."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from deconfuse.kernel.errors import UserError
from deconfuse.tables.plain import lines
from deconfuse.tables.records import Cell, Fault, Record, Records

LOOKED_AT = 1000
"""Lines whose keys make the columns: all of them would have to be read twice."""
SEPARATOR = ";"


def open_table(path: Path, encoding: str) -> Records:
    """Numbers are kept as they are written; a missing key and null are an empty cell, a list is its elements with `;` between."""
    columns: dict[str, None] = {}
    first = Fault("")
    for line, found in islice(objects(path, encoding), LOOKED_AT):
        if isinstance(found, Fault):
            first = first if first.reason else Fault(f"line {line}: {found.reason}")
        else:
            columns.update(dict.fromkeys(found))
    if not columns:
        told = f"has no line that can be read ({first.reason})" if first.reason else "is empty"
        raise UserError(f"{path} {told}; it must hold a JSON object a line")
    notes: list[str] = []
    return Records([name.strip() for name in columns], lambda *_: records(path, encoding, list(columns), notes), notes)


def records(path: Path, encoding: str, columns: list[str], notes: list[str]) -> Iterator[Record]:
    known, late = set(columns), dict[str, int]()
    for line, found in objects(path, encoding):
        if isinstance(found, Fault):
            yield line, found
        else:
            late |= {key: line for key in found.keys() - known if key not in late}
            yield line, [textual(found.get(name)) for name in columns]
    notes.extend(f"key {key!r} is left out: it comes first in line {line}, after the first {LOOKED_AT}" for key, line in late.items())


def objects(path: Path, encoding: str) -> Iterator[tuple[int, dict[str, Any] | Fault]]:
    for line, text in enumerate(lines(path, encoding), 1):
        if text.strip():
            yield line, parsed(text)


def parsed(text: str) -> dict[str, Any] | Fault:
    try:
        found = json.loads(text, parse_int=str, parse_float=str, parse_constant=CONSTANTS.get, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        return Fault(f"no JSON: {error.msg} at character {error.colno}")
    except TwiceError as error:
        return Fault(f"the key {error} is there twice")
    except RecursionError:
        return Fault("no JSON that can be read: it is nested too deeply")
    return found if isinstance(found, dict) else Fault("no JSON object: it must begin with { and end with }")


# what Python writes for the float that is no number; None is an empty cell
CONSTANTS = {"NaN": None, "Infinity": "inf", "-Infinity": "-inf"}


class TwiceError(Exception):
    """A key that an object has two times."""


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise TwiceError(repr(next(key for key in keys if keys.count(key) > 1)))
    return found


def textual(value: Any) -> Cell:
    """The text of a JSON value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return joined([nested(part) if isinstance(part, list) else textual(part) for part in value])
    return value if isinstance(value, str) else nested(value)


def joined(parts: list[Cell]) -> Cell:
    """The elements of a list as one cell, if that can be told apart again."""
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        return Fault("a list inside which there is more than text and numbers")
    if len(texts) > 1 and not all(texts):
        return Fault("a list with an empty element", SEPARATOR.join(texts))
    if len(texts) > 1 and any(SEPARATOR in text for text in texts):
        return Fault(f"a list with an element that holds a {SEPARATOR!r}, which stands between elements", SEPARATOR.join(texts))
    return SEPARATOR.join(texts)


def nested(value: Any) -> Fault:
    return Fault("a nested object where text is needed", json.dumps(value, ensure_ascii=False))
