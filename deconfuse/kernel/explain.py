"""A pydantic error in words: which key, what was found, what is allowed, and the nearest right key."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

LONGEST = 80


def explain(error: ValidationError, kind: Any, key: str, path: str) -> str:
    """One message for all that is wrong with the values at `key`, a line for each wrong key."""
    found = error.errors(include_url=False)
    lines = [line(problem, kind, key) for problem in found]
    head = f"{path} has a wrong value" if len(lines) == 1 else f"{path} has {len(lines)} wrong values"
    return head + "\n" + "\n".join(f"  {text}" for text in dict.fromkeys(lines))


def line(problem: Any, kind: Any, key: str) -> str:
    # pydantic marks a wrong key of a mapping by a last step "[key]", and we our tags of unions
    steps = [str(step) for step in problem["loc"] if not str(step).startswith("[")]
    where, models = walk(kind, steps)
    name = ".".join(filter(None, [key, *where])) or "the file"
    wrong = where[-1] if where else ""
    if problem["type"] == "extra_forbidden":
        right = sorted({field for model in models for field in model.model_fields})
        return f"{name}: there is no such key{nearest(wrong, right)}; allowed here: {', '.join(right)}"
    if problem["type"] == "missing":
        return f"{name}: is missing ({problem['msg'].lower()})"
    if problem["type"] == "union_tag_invalid":
        right = [tag.strip(" '") for tag in problem["ctx"]["expected_tags"].split(",")]
        tag = problem["ctx"]["tag"]
        return f"{name}: there is no {tag!r}{nearest(tag, right)}; allowed: {', '.join(right)}"
    return f"{name}: found {short(problem['input'])}; {allowed(problem)}"


def allowed(problem: Any) -> str:
    """What pydantic asks for, said of the value and not of "the input"."""
    if problem["type"] == "too_short":
        return f"needs at least {problem['ctx']['min_length']}"
    return problem["msg"].removeprefix("Value error, ").replace("Input should", "it should").replace("String should", "it should")


def nearest(wrong: str, right: Sequence[str]) -> str:
    close = get_close_matches(wrong, right, n=1, cutoff=0.5)
    return f", did you mean `{close[0]}`?" if close else ""


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def walk(kind: Any, steps: list[str]) -> tuple[list[str], list[type[BaseModel]]]:
    """Follow an error's location through the types: the keys that the user wrote (pydantic mixes in union tags, which
    nobody wrote), and the models whose field the last key is or should be."""
    where: list[str] = []
    models, here = [], models_in(kind)
    for step in steps:
        tagged = [model for model in here if is_tag(model, step)]
        if tagged:
            here = tagged
            continue
        where.append(step)
        models = here
        here = [inner for model in here if step in model.model_fields for inner in models_in(model.model_fields[step].annotation)] or (
            here if not any(step in model.model_fields for model in here) else []
        )
    return where, models


def is_tag(model: type[BaseModel], step: str) -> bool:
    field = model.model_fields.get("name")
    return field is not None and step in get_args(field.annotation)


def models_in(kind: Any) -> list[type[BaseModel]]:
    """The pydantic models inside an annotation, e.g. both of `dict[str, A] | B`."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return [kind]
    return [model for inner in get_args(kind) for model in models_in(inner)]
