"""Params and JSON as MLflow may show them: without secrets, under names and of lengths that it takes."""

import io
import json
import re
from pathlib import Path
from typing import Any

HIDDEN = "(hidden)"
# a number under `max_tokens` or `bandpass` is a setting, a word under `token` is not
SECRET_WORD = re.compile(r"pass|pwd|token|secret|credential|(api|access|private)[_-]?key|authorization", re.IGNORECASE)
SECRET_NUMBER = re.compile(r"passw|pwd|secret|credential|(api|access|private)[_-]?key", re.IGNORECASE)
LONGEST = 6000
"""Characters of a param that MLflow keeps."""


def redact(value: Any, key: str = "") -> Any:
    """A copy of a JSON value without the passwords, tokens and keys that its key names or a URL holds."""
    if isinstance(value, dict):
        return {name: redact(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list):
        return [redact(item, key) for item in value]
    if isinstance(value, str):
        return HIDDEN if SECRET_WORD.search(key) else re.sub(r"(?<=://)[^/@\s]+@", f"{HIDDEN}@", value)
    return HIDDEN if value is not None and SECRET_NUMBER.search(key) else value


def flatten(values: dict[str, Any]) -> dict[str, str]:
    """Nested params as MLflow takes them: dotted legal names, text of at most 6000 characters."""
    flat: dict[str, str] = {}
    for key, value in leaves(values):
        name = legal(key)
        while name in flat:
            name += "_"
        flat[name] = _shortened(value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))
    return flat


def leaves(values: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """(dotted key, value) of all that is no mapping, and of empty ones."""
    found: list[tuple[str, Any]] = []
    for key, value in sorted(values.items()):
        found += leaves(value, f"{prefix}{key}.") if isinstance(value, dict) and value else [(f"{prefix}{key}", value)]
    return found


def legal(name: str) -> str:
    """A name that MLflow takes."""
    # a slash is legal too, but not where MLflow would take the name for a path such as a/../b
    return re.sub(r"[^\w.\- ]", "_", name)[:200]


def _shortened(text: str) -> str:
    note = f" ... [{len(text)} characters in all]"
    return text if len(text) <= LONGEST else text[: LONGEST - len(note)] + note


def pretty(value: object) -> str:
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n"


def without_secrets(path: Path) -> Path | str:
    """A file as it may be shown: itself, or the text of JSON whose secrets are hidden."""
    if path.suffix != ".json":
        return path
    value = json.loads(path.read_bytes())
    hidden = redact(value)
    return path if hidden == value else pretty(hidden)


def as_yaml(value: object) -> str:
    """YAML in the order given, secrets hidden."""
    from ruamel.yaml import YAML

    text, yaml = io.StringIO(), YAML()
    yaml.default_flow_style = False
    yaml.dump(redact(value), text)
    return text.getvalue()
