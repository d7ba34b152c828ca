"""From `data.source` to `data/raw` and `data/prepared`, for a user's own table."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from deconfuse import check as checking
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import check
from deconfuse.manifest import read_rejected, stream
from deconfuse.obtaining import kinds, obtain
from deconfuse.params.data import Data
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.prepare import prepare

ROOT = str(Path(__file__).parents[1])
ROWS = 60
OPTIONS = check({"image": {"height": 8, "width": 8}, "workers": 1}, Preprocess)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project beside a folder with a table of two pictures, a text and a speaker a row."""
    folder = tmp_path / "mine"
    (folder / "media").mkdir(parents=True)
    draw = np.random.default_rng(0)
    table = [["key", "class", "left_image", "right_image", "caption", "speaker"]]
    for i in range(ROWS):
        for side in ("left", "right"):
            Image.fromarray(draw.integers(0, 256, (20, 16, 3), dtype=np.uint8)).save(folder / f"media/{side}{i}.png")
        table.append(
            [
                f"{i:03}",
                ("cat", "dog", "None")[i % 3],
                f"media/left{i}.png",
                f"media/right{i}.png" if i % 5 else "",
                f"text {i}",
                f"s{i // 6}",
            ]
        )
    write(folder / "table.csv", table)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return folder


def write(path: Path, table: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(table)


def data(**values: Any) -> Data:
    return check({"source": "../mine/table.csv", "files": "../mine"} | values, Data)


def test_the_modalities_of_a_table_are_known_before_its_rows(own: Path) -> None:
    assert kinds(data()) == {"caption": "text", "left_image": "image", "right_image": "image"}
    assert kinds(check({}, Data)) == {name: name for name in ("audio", "image", "text", "video")}


def test_media_are_read_where_they_are(own: Path) -> None:
    obtain(data(), Path("data/raw"))
    assert sorted(path.name for path in Path("data/raw").rglob("*")) == ["manifest.csv", "rejected.csv", "source.json"]
    about = json.loads(Path("data/raw/source.json").read_text())
    assert about["modalities"]["left_image"] == {"kind": "image", "media": "../mine"} and about["name"] == "mine/table.csv"
    rows = list(stream(Path("data/raw/manifest.csv"), ["caption", "left_image", "right_image"]))
    assert [row.id for row in rows] == [f"{i:03}" for i in range(ROWS)]
    assert rows[2].label == "None" and rows[5].cells["right_image"] == "" and rows[7].others["speaker"] == "s1"
    assert rows[0].line == 2


def test_what_is_there_already_is_not_made_again(own: Path) -> None:
    raw = Path("data/raw")
    obtain(data(), raw)
    first = raw.stat().st_ino
    obtain(data(), raw)
    assert raw.stat().st_ino == first
    with (own / "table.csv").open("a") as file:
        file.write("new,cat,media/left0.png,,hello,s0\n")
    obtain(data(), raw)
    second = raw.stat().st_ino
    assert second != first and len(list(stream(raw / "manifest.csv", []))) == ROWS + 1
    (raw / "manifest.csv").write_text("spoiled")
    obtain(data(), raw)
    assert len(list(stream(raw / "manifest.csv", []))) == ROWS + 1


def test_a_table_that_is_refused_leaves_what_was_there(own: Path) -> None:
    raw = Path("data/raw")
    obtain(data(), raw)
    before = {path.name: path.read_bytes() for path in raw.iterdir()}
    with (own / "table.csv").open("a") as file:
        file.write("000,cat,media/left0.png,,hello,s0\n")
    with pytest.raises(UserError, match="000"):
        obtain(data(), raw)
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == before


def test_media_that_dvc_does_not_watch_are_noted(own: Path, tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "elsewhere.png")
    with (own / "table.csv").open("a") as file:
        file.write(
            f"a1,cat,../elsewhere.png,,hello,s0\na2,cat,{tmp_path}/elsewhere.png,,hello,s0\na3,cat,media/../media/left0.png,,hello,s0\n"
        )
    obtain(data(), Path("data/raw"))
    notes = json.loads(Path("data/raw/source.json").read_text())["notes"]
    assert [note for note in notes if "DVC does not see" in note] == [
        "2 rows have media outside data.files (../mine): DVC does not see when these change"
    ]


def test_ten_times_the_rows_take_little_more_memory(own: Path) -> None:
    """The whole of it, in processes of their own: table, manifest, division, decoding, verdict."""
    # getrusage would count what the test's own process held before it became this one
    measure = "from deconfuse import check; check.main(); print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    Path("params.yaml").write_text(json.dumps({"data": {"source": "../mine/table.csv", "files": "../mine"}, "preprocess": {"workers": 2}}))
    peaks = []
    for rows in (1_000, 10_000):
        table = [["id", "label", "image", "text"]]
        write(own / "table.csv", table + [[str(i), "ab"[i % 2], f"media/left{i % ROWS}.png", f"the text of row {i}"] for i in range(rows)])
        said = subprocess.run(
            [sys.executable, "-c", measure], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": ROOT}
        )
        peaks.append(int(said.stdout.splitlines()[-1]))
    print("peak memory in kB:", peaks)
    assert peaks[1] < 1.3 * peaks[0]


def test_a_limit_takes_rows_of_every_class(own: Path) -> None:
    obtain(data(limit=9), Path("data/raw"))
    labels = [row.label for row in stream(Path("data/raw/manifest.csv"), [])]
    assert sorted(labels) == sorted(["cat", "dog", "None"] * 3)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"source": "didgits"}, ["data.source", "'didgits'", "did you mean `digits`", "cifar10"]),
        ({"source": "../mine/tabel.csv"}, ["data.source", "'../mine/tabel.csv'", "mine/tabel.csv"]),
        ({"files": "data/sources"}, ["data.files is data/sources", "files: ../mine"]),
    ],
)
def test_a_source_that_cannot_be(own: Path, values: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        kinds(data(**values))
    assert [word for word in words if word not in str(caught.value)] == []


def prepared(options: Preprocess, **values: Any) -> dict[str, Any]:
    obtain(data(**values), Path("data/raw"))
    Path("data/prepared").mkdir()
    return prepare(Path("data/raw"), options, Path("data/prepared"))


def ids(split: str) -> list[str]:
    return json.loads(Path(f"data/prepared/{split}/rows/id.json").read_text())


def test_a_table_becomes_arrays(own: Path) -> None:
    summary = prepared(OPTIONS)
    assert summary["rows"] == {"train": 36, "val": 9, "test": 15} and summary["task"]["name"] == "single_label"
    assert summary["coverage"]["train"]["left_image"] == 36 > summary["coverage"]["train"]["right_image"]
    assert summary["sizes"]["left_image"] == {"width": [16, 16, 16], "height": [20, 20, 20]}
    assert json.loads(Path("data/prepared/summary.json").read_text()) == summary
    assert json.loads(Path("data/prepared/schema.json").read_text())["classes"] == ["None", "cat", "dog"]
    for split, rows in summary["rows"].items():
        assert np.load(f"data/prepared/{split}/left_image/values.npy").shape == (rows, 1, 8, 8)
        texts = [json.loads(line) for line in Path(f"data/prepared/{split}/caption/values.jsonl").read_text().splitlines()]
        assert texts == [f"text {int(identity)}" for identity in ids(split)]


def test_a_group_stays_in_one_split(own: Path) -> None:
    summary = prepared(OPTIONS.model_copy(update={"group_by": "speaker"}))
    groups = [{int(identity) // 6 for identity in ids(split)} for split in ("train", "val", "test")]
    assert all(groups) and sum(map(len, groups)) == len(set.union(*groups)) == 10
    assert "speaker" in summary["split"]


def test_leaking_rows_are_dropped_whole(own: Path) -> None:
    """The same left picture in a row of train and one of test: `drop` takes the row of train out of every array."""
    prepared(OPTIONS)
    train, test = ids("train")[3], ids("test")[0]
    for path in Path("data/prepared").rglob("*"):
        if path.is_file():
            path.unlink()
    (own / f"media/left{int(train)}.png").write_bytes((own / f"media/left{int(test)}.png").read_bytes())
    folders = [Path(name) for name in ("keep", "drop")]
    found = {}
    for folder in folders:
        folder.mkdir()
        found[folder.name] = prepare(Path("data/raw"), OPTIONS.model_copy(update={"leaks": folder.name}), folder)
    assert any(one["code"] == "leak" and test in one["text"] for one in found["keep"]["warnings"])
    assert found["drop"]["rows"] == found["keep"]["rows"] | {"train": found["keep"]["rows"]["train"] - 1}
    kept, dropped = (json.loads((folder / "train/rows/id.json").read_text()) for folder in folders)
    assert dropped == [identity for identity in kept if identity != train]
    rest = np.array([identity != train for identity in kept])
    for name in ("rows/label", "rows/present", "left_image/values", "right_image/values"):
        assert np.array_equal(np.load(f"drop/train/{name}.npy"), np.load(f"keep/train/{name}.npy")[rest]), name
    lines = [Path(f"{folder}/train/caption/values.jsonl").read_text().splitlines() for folder in folders]
    assert lines[1] == [line for line, kept in zip(lines[0], rest, strict=True) if kept]
    with pytest.raises(UserError, match=f"{train}.*{test}|{test}.*{train}"):
        prepare(Path("data/raw"), OPTIONS.model_copy(update={"leaks": "error"}), None)


def test_rows_that_cannot_be_used_are_listed(own: Path) -> None:
    (own / "media/left7.png").write_bytes(b"")
    (own / "media/left9.png").unlink()
    with (own / "table.csv").open("a") as file:
        file.write("too,few\n")
    lenient = OPTIONS.model_copy(update={"max_rejected": 0.1})
    summary = prepared(lenient)
    rejected = read_rejected(Path("data/prepared/rejected.csv"))
    assert [(one.line, one.id, one.column) for one in rejected[:2]] == [(9, "007", "left_image"), (11, "009", "left_image")]
    assert rejected[2].line == 62 and "2 cells" in rejected[2].reason
    assert summary["rejected"] == 3 and sum(one["rows"] for one in summary["reasons"]) == 3
    assert sum(summary["rows"].values()) == ROWS - 2
    with pytest.raises(UserError) as caught:
        prepare(Path("data/raw"), OPTIONS, None)
    for words in ("3 of 61 rows", "max_rejected = 0.01", "line 9 (007), left_image", "0 bytes", "by reason"):
        assert words in str(caught.value)


def test_line_ends_inside_a_text_end_no_text(own: Path) -> None:
    """U+2028 and U+0085 end a line for some readers."""
    from deconfuse.prepared import values as read_back

    with (own / "table.csv").open("a", newline="") as file:
        csv.writer(file).writerows([[f"n{i}", "cat", "media/left0.png", "", "a\u2028b\x85c\r\nd", "s"] for i in range(20)])
    prepared(OPTIONS)
    texts = read_back("train", "caption")
    assert len(texts) == len(ids("train")) and "a\u2028b\x85c\r\nd" in texts


def test_the_check_says_what_is_there_and_writes_nothing(own: Path, capsys: pytest.CaptureFixture) -> None:
    (own / "media/left7.png").write_bytes(b"<html>")
    Path("params.yaml").write_text(
        json.dumps({"data": {"source": "../mine/table.csv", "files": "../mine"}, "preprocess": {"max_rejected": 0.1, "workers": 1}})
    )
    checking.main()
    out = capsys.readouterr().out
    for words in (
        "59 rows of mine/table.csv",
        "single_label",
        "left_image: in 59 rows (100.0%)",
        "16 / 16 / 16 px wide",
        "rows that cannot be used: 1",
        "HTML",
    ):
        assert words in out, words
    assert [path.name for path in Path().iterdir()] == ["params.yaml"]
