"""What a search found, as a change of params.yaml."""

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from deconfuse.kernel.files import write_text
from deconfuse.kernel.params import FILE
from deconfuse.params.space import Params, get, put


def difference(params: Params, values: dict[str, Any]) -> list[str]:
    """A line for each key: what it is, and what it better were."""
    changes = {key: "" if get(params, key) == value else f" -> {shown(value)}" for key, value in values.items()}
    return [f"  {key}: {shown(get(params, key))}{change}" for key, change in changes.items()]


def shown(value: Any) -> str:
    """A value as it would stand in params.yaml; what is not set has its default."""
    if value is None:
        return "(default)"
    text = io.StringIO()
    yaml = YAML()
    yaml.default_flow_style = True
    yaml.dump([value], text)
    return text.getvalue().strip()[1:-1]


def write(values: dict[str, Any], path: Path = FILE) -> None:
    """Set keys of the params file; all else in it, comments included, stays as it is."""
    # the one kind of ruamel's that keeps comments
    both_ways = YAML(typ="rt")
    both_ways.preserve_quotes = True
    # lines are not to be broken anew
    both_ways.width = 10_000
    params = both_ways.load(path.read_text(encoding="utf-8"))
    for key, value in values.items():
        put(params, key, value)
    text = io.StringIO()
    both_ways.dump(params, text)
    write_text(path, text.getvalue())
