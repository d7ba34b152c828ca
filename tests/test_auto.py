"""`task: auto` on labels whose task is known."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import check
from deconfuse.params.preprocess import Preprocess
from deconfuse.tasks._auto import decide, resolve

# task, options, labels
KNOWN = [
    ("binary", {}, ["no", "yes", "yes"]),
    ("binary", {}, ["0", "1", "1", "0"]),
    ("binary", {}, ["0.0", "1.0"]),
    ("single_label", {}, ["cat", "dog", "bird"]),
    ("single_label", {}, ["same", "same"]),
    ("single_label", {}, []),
    ("single_label", {}, [str(digit % 10) for digit in range(1000)]),
    # 60 whole numbers are many, but each is of many rows: ages in years, or classes by number
    ("single_label", {}, [str(number % 60) for number in range(1000)]),
    ("single_label", {}, [str(number) for number in range(40)]),
    ("regression", {}, [str(number) for number in range(60)]),
    ("regression", {}, ["1", "2", "2.5", "1"]),
    ("regression", {}, ["-1e-3", "2", "3"]),
    # one that is no number makes all of them names
    ("single_label", {}, ["0.5", "1.5", "unknown"]),
    ("single_label", {}, ["1_0", "0.5", "2.5"]),
    # the words of missing numbers do not
    ("regression", {}, ["0.5", "nan", "2.25", "inf"]),
    ("multi_label", {"separator": ";"}, ["dog", "cat", "dog;cat"]),
    ("multi_label", {"separator": "|"}, ["dog|out", "out | cat", "dog|cat", "dog|out"]),
    ("multi_label", {"separator": ";"}, ["1;2", "2", "3;1", "3"]),
    ("multi_label", {"separator": ";"}, ["a;b;", "a", "b"]),
    # one that is there once, among others that recur
    ("multi_label", {"separator": ";"}, ["a", "b", "a;b", "a;c"]),
    # ten cells of the same three
    ("multi_label", {"separator": ";"}, ["a;b", "b;c", "c;a"]),
    # what stands in names is no separator
    ("binary", {}, ["Tom; or the cat", "Jerry; or the mouse"]),
    ("single_label", {}, ["a|b", "c|d", "e"]),
    ("single_label", {}, [":|", ":)", ":("]),
    ("single_label", {}, [";)", "|", ";"]),
]


@pytest.mark.parametrize(("task", "chosen", "labels"), KNOWN)
def test_the_task_of_known_labels(task: str, chosen: dict, labels: list[str]) -> None:
    assert decide(labels)[:2] == (task, chosen)


def test_reasons_are_told() -> None:
    assert decide(["cat", "dog", "bird"])[2] == "3 different labels, one a row"
    assert decide(["a;b", "b;c", "c;a", "a"])[2] == "cells join 3 different labels by ';'"
    assert decide(["0.5", "nan", "2"])[2].startswith(
        "labels are numbers, 2 different ones in 3 rows; 'nan' among them: leave these cells empty"
    )
    # classes by number and a word for nothing: said, since it becomes a class
    name, _, reason = decide(["0", "1", "nan", "1"])
    assert name == "single_label" and "'nan' among them" in reason


def test_params_come_first() -> None:
    named = check({"task": {"name": "multi_label", "separator": "/"}}, Preprocess)
    found = resolve(named.task, ["a/b", "b"])
    assert (found.name, found.options, found.reason) == ("multi_label", {"separator": "/"}, "as params say")
    assert found.task.classes(["a/b"]) == ["a", "b"]
    chosen = resolve(Preprocess().task, ["x", "y"])
    assert isinstance(chosen.task, part("tasks", "binary")) and chosen.name == "binary" and chosen.reason == "two different labels"


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.lists(st.text(max_size=6) | st.floats().map(str) | st.integers(0, 9).map(str), max_size=30))
def test_every_list_of_labels_has_a_task_that_does_not_depend_on_their_order(labels: list[str]) -> None:
    name, chosen, _ = decide(labels)
    assert decide(labels[::-1])[:2] == (name, chosen)
    task = part("tasks", name)(**chosen)
    if name == "regression":
        assert any(math.isfinite(float(label)) for label in labels)
    elif name == "multi_label":
        assert any(len(task.classes([label])) > 1 for label in labels)
    else:
        assert (len(set(labels)) == 2) == (name == "binary")
