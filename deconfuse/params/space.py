"""What a search may change: keys of params, and their values."""

import copy
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from deconfuse.kernel.errors import UserError
from deconfuse.params.search import Between, Search

Params = dict[str, Any]


def put(params: Any, key: str, value: Any) -> None:
    """Set a dotted key of params; a part that is named without options on the way, such as `fusion: attention`, gets them.

    Raises UserError where a step on the way has no keys.
    """
    *way, last = key.split(".")
    place = params
    for i, step in enumerate(way):
        if isinstance(place.get(step), str):
            place[step] = {"name": place[step]}
        place = place.setdefault(step, {})
        if not isinstance(place, Mapping):
            raise UserError(f"{'.'.join(way[: i + 1])} is {place!r}, which has no keys")
    place[last] = value


def get(params: Params, key: str) -> Any:
    """The value of a dotted key; None where it is not set."""
    place: Any = params
    for step in key.split("."):
        if not isinstance(place, dict):
            return None
        place = place.get(step)
    return place


def changed(params: Params, values: dict[str, Any]) -> Params:
    """Params with other values of some keys; those given stay as they are."""
    other = copy.deepcopy(params)
    for key, value in values.items():
        put(other, key, value)
    return other


def tried(search: Search) -> Iterator[tuple[str, Any]]:
    """Each key with each of its values, of a range with its ends."""
    for key, option in search.space.items():
        for value in (option.low, option.high) if isinstance(option, Between) else option:
            yield key, value


def beside(search: Search, key: str) -> Iterator[dict[str, Any]]:
    """What other keys may be beside this one: first as they are, then their values in all combinations."""
    yield {}
    others = [name for name in search.space if name != key]
    values = [[value for name, value in tried(search) if name == other] for other in others]
    yield from (dict(zip(others, chosen, strict=True)) for chosen in product(*values))


def check_keys(search: Search, params: Params, path: str) -> None:
    """Raise UserError where the model or a key is none that a search can change."""
    models = params["models"]
    if search.model not in models:
        raise UserError(f"{path}: search.model: there is no model {search.model!r}; there are: {', '.join(models)}")
    own = f"models.{search.model}."
    for key in search.space:
        where = f"{path}: search.space.{key}"
        if not key.startswith(("train.", own)):
            raise UserError(f"{where}: a search changes keys of `train` and `{own[:-1]}`; for others, queue experiments with `dvc exp run`")
        if key.removeprefix(own).startswith("train.seeds"):
            raise UserError(f"{where}: the seed with the lowest loss is the luckiest; nothing is learnt from that")
        if key.startswith("train.") and get(params, own + key) is not None:
            raise UserError(f"{where}: {own}{key} is set, and holds for this model; search that one")
