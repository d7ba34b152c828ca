"""Nested settings as flat rows: those that all models share, and those of one model."""

import re
from typing import Any

from deconfuse.reporting.results import Result

SECRET = re.compile(r"passw(or)?d|secret|credential|(api|access|private)_?key|(^|[._])token$", re.IGNORECASE)


def flat(value: Any, key: str = "") -> dict[str, str]:
    """`{"train": {"epochs": 3}}` as `{"train.epochs": "3"}`; what a key calls secret is not told."""
    if isinstance(value, dict):
        return {k: v for name, inner in value.items() for k, v in flat(inner, f"{key}.{name}" if key else str(name)).items()}
    if SECRET.search(key):
        return {key: "(hidden)"}
    if isinstance(value, list):
        return {key: ", ".join(map(str, value))}
    return {key: {True: "yes", False: "no", None: "none"}.get(value, str(value)) if isinstance(value, bool | None) else str(value)}


def shared_and_own(results: list[Result], parts: tuple[str, ...]) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """The named parts of every run.json: the rows equal in all models, and the rest of each model by its name."""
    rows = {
        result.name: {k: v for part in parts for k, v in flat(result.run[part], "" if part == "params" else part).items()}
        for result in results
    }
    first, *others = rows.values()
    shared = {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}
    return shared, {name: {k: v for k, v in own.items() if k not in shared} for name, own in rows.items()}
