"""DVC reads YAML by libyaml, which is fast; the project by ruamel's own reader, whose messages are better. They must agree."""

from pathlib import Path

import pytest
from ruamel.yaml import YAML

from deconfuse.kernel.params import load

FILES = [Path("params.yaml"), *sorted(Path("presets").glob("*.yaml"))]
TRICKY = """
rate: 3e-3
none: ~
word: no
octal: 0o17
zeros: 017
many: 1_000
large: .inf
clock: 1:30
text: "a\\u2028\\xe9"
lines: |
  a
   b
folded: >-
  c
  d
flow: {a: [1, 2.50, "3"], b: {}}
&x anchor: &y [1]
again: *y
"""


def test_dvc_has_the_fast_reader() -> None:
    assert YAML(typ="safe").Parser.__name__ == "CParser"


@pytest.mark.parametrize("file", FILES, ids=str)
def test_both_readers_find_the_same(file: Path) -> None:
    assert repr(YAML(typ="safe").load(file.read_text(encoding="utf-8"))) == repr(load(file))


def test_both_readers_find_the_same_in_tricky_values(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(TRICKY, encoding="utf-8")
    found = load(tmp_path / "params.yaml")
    assert repr(YAML(typ="safe").load(TRICKY)) == repr(found)
    assert (found["rate"], found["word"], found["zeros"]) == (0.003, "no", 17)
