"""A corpus of broken and strange data, driven as `dvc repro` drives it: each is rejected with row and reason, or used as documented."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import broken_media
import broken_tables
import numpy as np
import pytest
from broken_media import Case
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import check
from deconfuse.kernel.words import plural
from deconfuse.manifest import SPLITS, Rejected, read_rejected
from deconfuse.obtaining import obtain
from deconfuse.params.data import Data
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.prepare import prepare

ROOT = Path(__file__).parent.parent
PATIENCE = 120
"""Seconds until a run counts as hanging."""
GOOD = 30
KINDS = {"clip": "video", "picture": "image", "sound": "audio", "text": "text"}
SMALL = {
    "image": {"height": 8, "width": 8},
    "audio": {"rate": broken_media.RATE, "seconds": broken_media.SECONDS},
    "video": {"frames": broken_media.FRAMES, "height": 8, "width": 8},
    "workers": 1,
}


@pytest.fixture(autouse=True)
def _nothing_hangs() -> Iterator[None]:
    """A named pipe, say, would be waited for until the end of time."""

    def stop(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"still at it after {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Run(NamedTuple):
    """What became of a table."""

    summary: dict[str, Any]
    rows: dict[str, dict[str, Any]]
    """Id -> column -> what its cell became, None where it is missing; also `label` (in words), `split` and the lengths."""
    rejected: dict[str, Rejected]
    """By id, or by line where a row has none."""


def run(folder: Path, file: str, data: dict[str, Any], options: dict[str, Any]) -> Run:
    """`download` and `preprocess` of a table in `folder`, into a new folder in it."""
    made = folder / ".made"
    obtain(check({"source": str(folder / file), "files": str(folder)} | data, Data), made / "raw")
    (made / "prepared").mkdir()
    summary = prepare(made / "raw", check(options, Preprocess), made / "prepared")
    rejected = read_rejected(made / "prepared/rejected.csv")
    return Run(summary, read_back(made / "prepared"), {one.id or f"line {one.line}": one for one in rejected})


def read_back(prepared: Path) -> dict[str, dict[str, Any]]:
    schema = json.loads((prepared / "schema.json").read_text())
    found: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        folder = prepared / split
        ids = json.loads((folder / "rows/id.json").read_text())
        labels, present = np.load(folder / "rows/label.npy"), np.load(folder / "rows/present.npy")
        assert not found.keys() & set(ids) and len(set(ids)) == len(ids) == len(labels) == len(present)
        for place, one in enumerate(ids):
            found[one] = {"split": split, "label": in_words(labels[place], schema)}
        for order, (name, form) in enumerate(schema["modalities"].items()):
            values = values_of(folder / name, form["kind"])
            lengths = np.load(folder / name / "length.npy") if form["timed"] else [1] * len(ids)
            assert len(values) == len(lengths) == len(ids)
            for place, one in enumerate(ids):
                found[one] |= {name: values[place] if present[place, order] else None, f"{name} length": int(lengths[place])}
    return found


def in_words(target: np.ndarray, schema: dict[str, Any]) -> Any:
    """A label as the table had it; several in the order of the classes."""
    if schema["task"] == "regression":
        return float(target)
    if schema["task"] == "multi_label":
        return ";".join(name for name, there in zip(schema["classes"], target, strict=True) if there)
    return schema["classes"][int(target)]


def values_of(folder: Path, kind: str) -> Any:
    if kind != "text":
        return np.load(folder / "values.npy")
    return [json.loads(line) for line in (folder / "values.jsonl").read_text(encoding="utf-8").split("\n")[:-1]]


# ---------------------------------------------------------------- media: one table of all


class Media(NamedTuple):
    """The table of all cases, and one of its good rows alone."""

    home: Path
    cases: list[Case]
    lines: list[str]
    all: Run
    good: Run


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Media:
    home = tmp_path_factory.mktemp("media")
    cases = broken_media.media()
    good = [json.dumps(sample(home, number)) for number in range(GOOD)]
    for case in cases:
        case.make(home)
    bad = [broken_media.row(case, place, home) for place, case in enumerate(cases)]
    # a good row before every ten others
    lines = [line for start in range(0, max(len(bad), 10 * GOOD), 10) for line in (good[start // 10], *bad[start : start + 10])]
    runs = []
    for name, some in (("table.jsonl", lines), ("good.jsonl", good)):
        (home / name).write_text("\n".join(some) + "\n")
        runs.append(run(home, name, {}, SMALL | {"max_rejected": 1.0}))
        (home / ".made").rename(home / f".{name}")
    return Media(home, cases, lines, *runs)


def sample(home: Path, number: int) -> dict[str, str]:
    """A good row, with all that a row may have."""
    (home / "good").mkdir(exist_ok=True)
    draw = np.random.default_rng(number)
    Image.fromarray(draw.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(home / f"good/{number}.png")
    (home / f"good/{number}.wav").write_bytes(broken_media.wave(draw.uniform(-0.5, 0.5, 400)))
    (home / f"good/{number}.mp4").write_bytes(broken_media.film(draw.integers(0, 256, 4).tolist()))
    cells = {"picture": f"good/{number}.png", "sound": f"good/{number}.wav", "clip": f"good/{number}.mp4", "text": f"text {number}"}
    # another order of labels than of splits, so that each split has each
    return {"id": f"good {number}", "label": ("cat", "dog", "None")[number // 3 % 3], "split": SPLITS[number % 3], **cells}


def test_every_unusable_cell_is_rejected_with_its_place_and_reason(media: Media) -> None:
    place = {json.loads(line)["id"]: number for number, line in enumerate(media.lines, 1)}
    wrong = {}
    for case in media.cases:
        one = media.all.rejected.get(case.name)
        if case.refused is not None:
            words = case.refused.replace("{home}", str(media.home))
            fits = one is not None and (one.line, one.column) == (place[case.name], case.column) and words in one.reason
            if not fits or case.name in media.all.rows or "\n" in one.reason:
                wrong[case.name] = one
    assert wrong == {}
    assert media.all.rejected.keys() == {case.name for case in media.cases if case.refused is not None}
    assert media.all.summary["rejected"] == len(media.all.rejected) == sum(one["rows"] for one in media.all.summary["reasons"])


def test_every_strange_cell_becomes_what_is_documented(media: Media) -> None:
    wrong = {}
    for number, case in enumerate(media.cases):
        if case.refused is None:
            found = media.all.rows.get(case.name, {})
            told = found.get("label"), found.get("split")
            if told != (("cat", "dog", "None")[number % 3], SPLITS[number % 3]) or not as_expected(case, found):
                wrong[case.name] = found.get(case.column), found.get(f"{case.column} length")
    assert wrong == {}


def as_expected(case: Case, found: dict[str, Any]) -> bool:
    value, length = found[case.column], found[f"{case.column} length"]
    if case.value is None or case.column == "text":
        return value == case.value
    if value is None:
        return False
    if case.column == "picture":
        four = case.value if isinstance(case.value, tuple) else (case.value,) * 4
        corners = value[0, [0, 0, -1, -1], [0, -1, 0, -1]]
        return bool(np.allclose(corners, four, atol=2)) and (isinstance(case.value, tuple) or int(np.ptp(value)) <= 2)
    if case.column == "sound":
        heard = float(np.sqrt(np.mean(value[:length].astype(float) ** 2)))
        return length == case.length and heard == pytest.approx(case.value, rel=0.1, abs=2) and not value[length:].any()
    greys = value.reshape(len(value), -1)
    shown = np.allclose(greys[:length], np.array(case.value)[:, None], atol=6)
    return length == len(case.value) and shown and not greys[length:].any()


def test_what_was_done_to_cells_is_counted(media: Media) -> None:
    counts = Counter((case.column, case.note) for case in media.cases if case.note)
    told = [f"{column}: {note} ({plural(count, 'cell')})" for (column, note), count in sorted(counts.items())]
    assert [note for note in media.all.summary["notes"] if re.search(r"cells?\)$", note)] == told


def test_good_rows_are_the_same_without_the_bad_ones(media: Media) -> None:
    assert list(media.good.rows) == [name for name in media.all.rows if name.startswith("good ")] and len(media.good.rows) == GOOD
    for name, row in media.good.rows.items():
        for key, value in row.items():
            other = media.all.rows[name][key]
            assert other.tobytes() == value.tobytes() if isinstance(value, np.ndarray) else other == value, (name, key)
            assert value is not None


# ---------------------------------------------------------------- tables: a project each


@pytest.mark.parametrize("case", broken_tables.CASES, ids=lambda case: case.name)
def test_a_table(tmp_path: Path, case: broken_tables.Case) -> None:
    case.make(tmp_path)
    options = SMALL | {"max_rejected": 0.5} | case.options
    if case.error:
        with pytest.raises(UserError) as caught:
            run(tmp_path, case.file, case.data, options)
        assert [words for words in case.error if words not in str(caught.value)] == [], caught.value
        assert not list((tmp_path / ".made").rglob("summary.json"))
        return
    found = run(tmp_path, case.file, case.data, options)
    told = [(one, row["label"], row.get("text")) for one, row in found.rows.items()]
    assert sorted(told) == sorted(case.rows)
    faults = [(one.line, key, one.column) for key, one in found.rejected.items()]
    assert faults == [fault[:3] for fault in case.rejected]
    assert [one.reason for one, (*_, words) in zip(found.rejected.values(), case.rejected, strict=True) if words not in one.reason] == []
    summary = json.dumps([found.summary[key] for key in ("task", "split", "notes", "warnings")], ensure_ascii=False)
    assert [words for words in case.said if words not in summary] == [], summary


# ---------------------------------------------------------------- the check, as a command


def checked(project: Path, own: Path, file: str) -> subprocess.CompletedProcess[str]:
    """`python -m deconfuse.check` in a project of nothing but params."""
    project.mkdir()
    params = {"data": {"source": str(own / file), "files": str(own)}, "preprocess": SMALL | {"max_rejected": 0.1}}
    (project / "params.yaml").write_text(json.dumps(params))
    before = sorted(path for path in project.parent.rglob("*"))
    command = [sys.executable, "-m", "deconfuse.check"]
    ended = subprocess.run(
        command, cwd=project, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert sorted(path for path in project.parent.rglob("*")) == before
    assert "Traceback" not in ended.stdout + ended.stderr
    return ended


COMMANDS = {
    "plain": "12 rows of ",
    "too few cells": "1 x … cells where the header has …",
    "JSON Lines": "binary (two different labels)",
    "a single class": "all rows have the label 'cat'",
    "an id twice": "'r3' in lines 5 and 14",
    "paths that all fail": "not one of the first 12 files is there",
    "Latin-1 taken for UTF-8": "is no utf-8 text",
    "header only": "has a header and no rows",
    "Parquet cut in half": "table.parquet is damaged",
    "an empty folder": "has no folders of classes",
    "a damaged saved set": "state.json is damaged",
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_check_ends_in_words(tmp_path: Path, name: str) -> None:
    case = next(case for case in broken_tables.CASES if case.name == name)
    (tmp_path / "own").mkdir()
    case.make(tmp_path / "own")
    ended = checked(tmp_path / "project", tmp_path / "own", case.file)
    if case.error:
        assert ended.returncode == 1 and ended.stdout == ""
        assert ended.stderr.startswith("error: ") and ended.stderr.count("error:") == 1 and COMMANDS[name] in ended.stderr
    else:
        assert ended.returncode == 0 and COMMANDS[name] in ended.stdout and "error" not in ended.stderr


def test_the_check_lists_media_that_cannot_be_used(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    good = [json.dumps(sample(own, number)) for number in range(GOOD)]
    os.mkfifo(own / "pipe")
    (own / "table.jsonl").write_text("\n".join([*good, json.dumps({"id": "q", "label": "cat", "picture": "pipe"})]) + "\n")
    ended = checked(tmp_path / "project", own, "table.jsonl")
    assert ended.returncode == 0, ended.stderr
    for words in (f"{GOOD} rows of ", "16 / 16 / 16 px wide", "rows that cannot be used: 1", "1 x picture: pipe is no regular file"):
        assert words in ended.stdout, ended.stdout


# ---------------------------------------------------------------- any table at all

LABELS = ("cat", "dog", "None", "nan", "1e5", "🐈")
SPLIT_OF = {"": "train", "train": "train", "val": "val", "dev": "val", "test": "test"}
Cells = dict[str, str | None]


@st.composite
def tables(draw: st.DrawFn) -> tuple[str, list[Cells]]:
    """A format, and rows of which the first are good: they give each label to each split."""
    suffix = draw(st.sampled_from(["csv", "jsonl"]))
    # a CSV file cannot hold them at all; JSON can spell them
    letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from(' \t\r\n",;\u2028\ufeff')
    impossible = [] if suffix == "csv" else ["\0", "a\ud800"]
    cell = st.text(letters, min_size=1, max_size=6) | st.sampled_from([None, "", "\u3000", *impossible])
    texts = draw(st.sampled_from([("text",), ("a_text", "b_text"), ("question", "text", "text2")]))
    given = dict.fromkeys(texts, "ok")
    rows: list[Cells] = [{"id": f"{split} {label}", "split": split, "label": label} | given for split in SPLITS for label in LABELS]
    for number in range(draw(st.integers(0, 8))):
        row = {
            "id": draw(st.just(f"n{number}") | cell.map(lambda text, n=number: f"{n}:{text}") | st.sampled_from([None, "same", " same "])),
            "split": draw(st.sampled_from([*SPLIT_OF, " Val", "TEST", "holdout", None])),
            "label": draw(st.sampled_from([*LABELS, " cat\t", "", " ", None])),
        }
        rows.append(row | {name: draw(cell) for name in texts} | {"speaker": draw(cell)})
    return suffix, rows


def laid_down(path: Path, rows: list[Cells]) -> list[int]:
    """Write a table; the line on which each of its rows starts."""
    columns = [*rows[-1]]
    file, lines = StringIO(), []
    if path.suffix == ".csv":
        writer = csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerow(columns)
    for row in rows:
        lines.append(1 + len(re.findall("\r\n|\r|\n", file.getvalue())))
        if path.suffix == ".csv":
            writer.writerow([row.get(name) or "" for name in columns])
        else:
            file.write(json.dumps(row) + "\n")
    path.write_text(file.getvalue(), encoding="utf-8", newline="")
    return lines


def writable(text: str) -> bool:
    return "\0" not in text and text == text.encode(errors="replace").decode()


def model(rows: list[Cells], lines: list[int]) -> tuple[dict[str, dict[str, Any]], set[int], bool]:
    """What must become of the rows: those that are used by id, the lines of those that are not, and whether an id is there twice."""
    used: dict[str, dict[str, Any]] = {}
    unused, seen, twice = set(), set(), False
    for line, row in zip(lines, rows, strict=True):
        cells = {name: value or "" for name, value in row.items()}
        one, split, label = (cells.pop(name).strip() for name in ("id", "split", "label"))
        texts = {name: text for name, text in cells.items() if name != "speaker"}
        if not any(row.values()):
            continue
        twice |= one in seen
        if one and writable(one):
            seen.add(one)
        whole = all(writable(text) for text in (one, *cells.values()))
        if one and label and whole and split.casefold() in SPLIT_OF and any(text.strip() for text in texts.values()):
            kept = {name: text if text.strip() else None for name, text in texts.items()}
            used[one] = {"label": label, "split": SPLIT_OF[split.casefold()], **kept}
        else:
            unused.add(line)
    return used, unused, twice


@settings(deadline=None, derandomize=True, max_examples=100)
@given(tables())
def test_every_row_is_used_or_rejected_unchanged(tmp_path_factory: pytest.TempPathFactory, table: tuple[str, list[Cells]]) -> None:
    suffix, rows = table
    folder = tmp_path_factory.mktemp("any")
    lines = laid_down(folder / f"table.{suffix}", rows)
    used, unused, twice = model(rows, lines)
    options = {"task": "single_label", "max_rejected": 1.0, "workers": 1}
    if twice:
        with pytest.raises(UserError, match="'same' in lines"):
            run(folder, f"table.{suffix}", {}, options)
        return
    found = run(folder, f"table.{suffix}", {}, options)
    told = {one: {name: value for name, value in row.items() if not name.endswith(" length")} for one, row in found.rows.items()}
    assert told == used
    assert {one.line for one in found.rejected.values()} == unused and len(found.rejected) == len(unused)
