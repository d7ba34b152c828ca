"""`preprocess.task: auto`: which question a data set's labels ask.

In this order: `regression` where all labels are finite numbers, and some are no whole numbers or there are more than 50 different ones
that make more than a fifth of the rows; `multi_label` where cells join parts by ";" or "|" and the parts recur; `binary` where
there are two different labels; else `single_label`.
"""

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from deconfuse.kernel.lookup import Options, part
from deconfuse.tasks import LabelError, Task
from deconfuse.tasks.regression import Regression

SEPARATORS = (";", "|")
MANY_VALUES = 50
MANY_OF_ROWS = 0.2


class Resolved(NamedTuple):
    """The task of a data set."""

    task: Task
    name: str
    options: dict[str, Any]
    reason: str
    """Why, in words."""


def resolve(asked: Options, labels: list[str]) -> Resolved:
    """What `preprocess.task` means for these labels."""
    if asked.name == "auto":
        name, options, reason = decide(labels)
    else:
        name, options, reason = asked.name, asked.arguments(), "as params say"
    return Resolved(part("tasks", name)(**options), name, options, reason)


def decide(labels: list[str]) -> tuple[str, dict[str, Any], str]:
    """A task's name, its options, and the reason in words."""
    different = set(labels)
    unsaid = sorted(label for label in different if words_for_nothing(label))
    # "nan" among numbers says that there is none: a regression rejects its rows, and all others are told of it
    aside = f"; {', '.join(map(repr, unsaid))} among them: leave these cells empty if they mean that there is no label" if unsaid else ""
    numbers = numeric([label for label in labels if label not in unsaid])
    if numbers is not None and is_measure(numbers):
        values = len(set(numbers))
        return "regression", {}, f"labels are numbers, {values:,} different ones in {len(labels):,} rows{aside}"
    for separator in sorted(SEPARATORS, key=lambda one: -sum(one in label for label in different)):
        parts = recurring(different, separator)
        if parts:
            return "multi_label", {"separator": separator}, f"cells join {len(parts)} different labels by {separator!r}{aside}"
    if len(different) == 2:
        return "binary", {}, f"two different labels{aside}"
    return "single_label", {}, f"{len(different)} different labels, one a row{aside}"


def numeric(labels: Iterable[str]) -> list[float] | None:
    """The numbers, if all of them are, and there are any."""
    task = Regression()
    try:
        return [task.target(label, {}) for label in labels] or None
    except LabelError:
        return None


def is_measure(numbers: list[float]) -> bool:
    different = set(numbers)
    many = len(different) > MANY_VALUES and len(different) > MANY_OF_ROWS * len(numbers)
    return many or not all(number == int(number) for number in different)


def words_for_nothing(label: str) -> bool:
    """Whether it is a word such as `nan` or `-inf`, which a computer takes for a number."""
    try:
        return not math.isfinite(float(label)) and not any(letter.isdigit() for letter in label)
    except ValueError:
        return False


def recurring(cells: set[str], separator: str) -> set[str]:
    """The parts that cells join by a separator, if some join several and the parts recur: they are fewer than the cells, or each is
    in two cells or more. Else none: what stands in a label's name is no separator."""
    named = [{part.strip() for part in cell.split(separator)} - {""} for cell in cells]
    if all(len(parts) < 2 for parts in named):
        return set()
    seen: dict[str, int] = {}
    for parts in named:
        for name in parts:
            seen[name] = seen.get(name, 0) + 1
    return set(seen) if len(seen) < len(cells) or min(seen.values()) > 1 else set()
