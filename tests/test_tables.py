"""A user's table: every cell comes back as it was written, and what cannot be used is told with line and reason."""

import csv
import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.params.data import Columns, Data
from deconfuse.tables import read_table
from deconfuse.tables.columns import choose

PICTURE = b"\x89PNG\r\n\x1a\n, or so it begins"
SOUND = b"RIFF\0\0\0\0WAVEfmt "


def read(path: Path, made: Path = Path("made"), **options: Any) -> tuple[list[Row], list[Rejected], list[str]]:
    """Rows, rejected rows and notes of a table."""
    table = read_table(Data(source=str(path), **options), made)
    found = list(table.rows)
    return [row for row in found if isinstance(row, Row)], [row for row in found if isinstance(row, Rejected)], table.notes


def written(folder: Path, content: str | bytes, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        read(path, **options)
    return str(error.value)


# --- what is written is read

ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        "None",
        "NA",
        "001",
        "1e5",
        "true",
        'say "no"',
        "a,b;c\td|e",
        "two\nlines",
        "\r",
        "\r\n",
        " spaced ",
        "🙂",
        "é",
        "\ufeff",
        "nan",
        "'",
        '"',
    ]
)
LABEL = ANY.filter(lambda text: text.strip())
TABLES = st.lists(st.tuples(LABEL, ANY, ANY), min_size=1, max_size=5).flatmap(
    lambda rows: st.permutations(["id", "label", "text", "other", "question"]).map(lambda header: (header, rows))
)


def save(path: Path, header: list[str], rows: list[dict[str, str]], encoding: str = "utf-8") -> None:
    """A table in the format of its suffix, by the writers that people use."""
    if path.suffix == ".parquet":
        pq.write_table(pa.table({name: [row[name] for row in rows] for name in header}), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({name: row[name] for name in header}) + "\n" for row in rows), encoding)
    else:
        with path.open("w", encoding=encoding, newline="") as file:
            table = csv.DictWriter(file, header, delimiter="\t" if path.suffix == ".tsv" else ",")
            table.writeheader()
            table.writerows(rows)


@given(TABLES, st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@settings(deadline=None, derandomize=True, max_examples=100)
def test_every_format_gives_back_every_cell(tmp_path_factory: pytest.TempPathFactory, table: tuple, encoding: str) -> None:
    header, rows = table
    cells = [{"id": f"r{n}", "label": a, "text": b, "other": c, "question": "why?"} for n, (a, b, c) in enumerate(rows)]
    folder = tmp_path_factory.mktemp("formats")
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        save(folder / f"table.{suffix}", header, cells, encoding)
        found, rejected, _ = read(folder / f"table.{suffix}")
        assert rejected == [], suffix
        assert [row.id for row in found] == [row["id"] for row in cells]
        assert [row.label for row in found] == [row["label"].strip() for row in cells]
        assert [row.cells for row in found] == [{"question": "why?", "text": row["text"]} for row in cells]
        assert [row.others for row in found] == [{"other": row["other"]} for row in cells]


def test_all_of_a_row(tmp_path: Path) -> None:
    for name in ("a.png", "a.wav"):
        (tmp_path / name).touch()
    path = written(
        tmp_path, "key,subset,class,Left Image,audio_path,caption,speaker\nk1,Training,cat, a.png ,a.wav, hi ,ann\nk2,,dog,,a.wav,,bob\n"
    )
    table = read_table(Data(source=str(path)), tmp_path)
    media = tmp_path.as_posix()
    assert table.modalities == {"audio": Place("audio", media), "caption": Place("text"), "left_image": Place("image", media)}
    assert list(table.modalities) == sorted(table.modalities)
    assert table.others == ["speaker"]
    assert list(table.rows) == [
        Row(2, "k1", "train", "cat", {"audio": "a.wav", "caption": " hi ", "left_image": "a.png"}, {"speaker": "ann"}),
        Row(3, "k2", "", "dog", {"audio": "a.wav", "caption": "", "left_image": ""}, {"speaker": "bob"}),
    ]
    assert table.notes == ["column 'Left Image': cells with space around them, taken off: 1"]


def test_media_paths_start_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "flowers").mkdir()
    (tmp_path / "project").mkdir()
    (tmp_path / "flowers" / "a.png").touch()
    written(tmp_path / "flowers", "label,image\nrose,a.png\n")
    monkeypatch.chdir(tmp_path / "project")
    assert read_table(Data(source="../flowers/table.csv"), tmp_path).modalities["image"].media == "../flowers"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_way_and_are_counted_where_a_row_starts(tmp_path: Path, end: str) -> None:
    path = written(tmp_path, end.join(['"label","text"', '"a","one', 'two"', "", "b,x", "c"]))
    rows, rejected, _ = read(path)
    assert [(row.line, row.id, row.label, row.cells["text"]) for row in rows] == [(2, "1", "a", f"one{end}two"), (5, "2", "b", "x")]
    assert [(row.line, row.reason) for row in rejected] == [(6, "1 cell where the header has 2")]


def test_gzip_and_long_cells(tmp_path: Path) -> None:
    long = "x" * 300_000
    path = written(tmp_path, gzip.compress(f"label,text\na,{long}\n".encode()), "table.csv.gz")
    assert read(path)[0][0].cells["text"] == long
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read" in refusal(path)


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_another_delimiter_is_found_and_told(tmp_path: Path, delimiter: str, quote: str) -> None:
    path = written(tmp_path, f"{quote}label{quote}{delimiter}{quote}text{quote}\na{delimiter}b\n")
    rows, _, notes = read(path)
    assert rows[0].cells == {"text": "b"}
    assert len(notes) == 1 and "not commas" in notes[0]


def test_encodings(tmp_path: Path) -> None:
    path = written(tmp_path, "label,text\nx,ok\né,a\n".encode("latin-1"))
    told = refusal(path)
    assert "line 3: byte 16" in told and "data.encoding" in told and "latin-1" in told
    assert read(path, encoding="latin-1")[0][1].label == "é"
    path = written(tmp_path, "label,text\na,a\n".encode("utf-16-le"))
    assert "NUL" in refusal(path) and "utf-16" in refusal(path)
    assert read(path, encoding="utf-16-le")[0][0].label == "a"
    for unknown in ("nonsense", "base64", "rot13", "undefined", "\0"):
        assert "data.encoding: there is no encoding" in refusal(path, encoding=unknown)


def test_a_byte_far_into_the_file_is_found(tmp_path: Path) -> None:
    # so long that the first block of a megabyte ends inside of a character
    start = b"y,caption\n" + "a,é🙂\n".encode() * 150_000
    assert f"line 150002: byte {len(start)} " in refusal(written(tmp_path, start + b"\xff\xfe,x\n"))


def test_a_quote_too_many_is_told_with_the_lines_it_takes(tmp_path: Path) -> None:
    rows, rejected, _ = read(written(tmp_path, 'label,text\na,"b\nc,d\ne,"f"\ng,h\n'))
    assert [row.label for row in rows] == ["g"]
    assert [(one.line, "runs to line 4" in one.reason) for one in rejected] == [(2, True)]


def test_blank_rows_are_no_rows(tmp_path: Path) -> None:
    rows, rejected, notes = read(written(tmp_path, "label,text\na,b\n,\n\n,\n"))
    assert (len(rows), rejected, notes) == (1, [], ["blank rows, left out: 2"])


# --- which column is what


@pytest.mark.parametrize(
    ("column", "name", "kind"),
    [
        ("image", "image", "image"),
        ("Image", "image", "image"),
        ("IMG", "img", "image"),
        ("left-image", "left_image", "image"),
        ("leftImage", "left_image", "image"),
        ("photo_file", "photo", "image"),
        ("image_path", "image", "image"),
        ("image.filename", "image", "image"),
        ("image_2", "image_2", "image"),
        ("image_1_path", "image_1", "image"),
        ("picture3", "picture3", "image"),
        ("2nd image", "nd_image", "image"),
        ("wav", "wav", "audio"),
        ("Größe Text", "gr_sse_text", "text"),
        ("image_text", "image_text", "text"),
        ("left_file_image", "left_file_image", "image"),
        ("image_file_1", "image_1", "image"),
        ("movie", "movie", "video"),
        *((column, None, None) for column in ("context", "title", "image_id", "image_url", "texture", "speaker", "ls", "imagesize")),
    ],
)
def test_modalities_by_the_names_of_columns(column: str, name: str | None, kind: str | None) -> None:
    found = choose(["label", "question", column], Columns(), Path("t.csv")).modalities
    assert {name: (one.column, one.kind) for name, one in found.items() if name != "question"} == ({name: (column, kind)} if name else {})


def test_columns_as_they_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "c.mp4").touch()
    path = written(tmp_path, "nr,what,id,clip,text\n1,x,9,c.mp4,t\n")
    columns = {
        "id": "NR",
        "label": "what",
        "modalities": {"seen": {"column": "clip", "kind": "video"}, "heard": {"column": "clip", "kind": "audio"}, "text": "text"},
    }
    table = read_table(Data.model_validate({"source": str(path), "columns": columns}), tmp_path)
    assert {name: place.kind for name, place in table.modalities.items()} == {"heard": "audio", "seen": "video", "text": "text"}
    assert list(table.rows) == [Row(2, "1", "", "x", {"heard": "c.mp4", "seen": "c.mp4", "text": "t"}, {"id": "9"})]


WRONG_COLUMNS = [
    ("", {}, ["is empty"]),
    ("\n\n", {}, ["is empty"]),
    ("label,text\n", {}, ["a header and no rows"]),
    ("label,text\n,\n", {}, ["a header and no rows"]),
    ("a,b\n1,2\n", {}, ["no column that is known as a label", "it has: a, b", "data: {columns: {label: b}}"]),
    ("cats/1.png,cat\ncats/2.png,cat\n", {}, ["no column", "is the header row missing? 'cats/1.png'"]),
    ("cat,cat\n1,2\n", {}, ["more than one column 'cat'"]),
    ("label,file_name\n1,2\n", {}, ["known as a modality", "{columns: {modalities: {image: {column: file_name, kind: image}}}}"]),
    ("text,story\n1,2\n", {}, ["known as a label", "text, story"]),
    ("label,text, label\n1,2,3\n", {}, ["more than one column 'label'"]),
    ("label,class,text\n1,2,3\n", {}, ["could be the label: label, class", "{columns: {label: label}}"]),
    ("label,key,uid,text\n1,2,3,4\n", {}, ["could be the id: key, uid"]),
    ("label,image,image_path\n1,2,3\n", {}, ["'image' and 'image_path' would both be the modality 'image'"]),
    ("label,text\n1,2\n", {"label": "labels"}, ["data.columns.label", "did you mean 'label'?"]),
    (
        "label,text\n1,2\n",
        {"modalities": {"text": {"column": "txet", "kind": "text"}}},
        ["data.columns.modalities.text", "'txet'", "'text'"],
    ),
    ("label,text\n1,2\n", {"modalities": {"line": {"column": "text", "kind": "text"}}}, ["cannot be called 'line'"]),
    (
        "label,a\n1,2\n",
        {"modalities": {"t": {"column": "a", "kind": "text"}, "i": {"column": "a", "kind": "image"}}},
        ["both the text of t"],
    ),
    ('label,text\na,b\nc,"d\ne,f\n', {}, ["line 3: a quote"]),
    ('label,"text\na,b\n', {}, ["line 1: a quote"]),
    ("label,text\na,b\nc,\0\n", {}, ["line 3, holds a NUL"]),
    ("label,text\n,b\n ,c\n", {}, ["not one row has a label", "2 x label: no label"]),
    ("label,text\na\nb\n", {}, ["not one of its 2 rows can be used (the first is line 2)", "2 x 1 cell where the header has 2"]),
    ("label,image\na,x.png\nb,y.png\n", {}, ["not one of the first 2 files is there", "'x.png'", "which holds table.csv"]),
]


@pytest.mark.parametrize(("content", "columns", "told"), WRONG_COLUMNS)
def test_a_table_that_cannot_be_used(tmp_path: Path, content: str, columns: dict, told: list[str]) -> None:
    message = refusal(written(tmp_path, content), columns=columns)
    assert [words for words in told if words not in message] == [], message
    assert "table.csv" in message or "data.columns" in message


def test_ids_that_two_rows_have(tmp_path: Path) -> None:
    told = refusal(written(tmp_path, "id,label,text\na,x,1\nb,x,1\na ,x,1\n"))
    assert "'a' in lines 2 and 4" in told and "'b'" not in told
    told = refusal(written(tmp_path, "id,label,text\n" + "a,x,1\n" * 30))
    assert told.count("'a' in lines") == 10 and "the first ten" in told


def test_a_path_that_is_no_table(tmp_path: Path) -> None:
    written(tmp_path, "x", "table.csv")
    assert "did you mean 'table.csv'" in refusal(tmp_path / "tabel.csv")
    assert "there is no folder" in refusal(tmp_path / "no" / "table.csv")
    for name in ("table.xlsx", "table.json", "table.parquet.gz", "table"):
        assert ".csv, .tsv, .jsonl, .ndjson, .parquet" in refusal(written(tmp_path, "x", name))
    os.mkfifo(tmp_path / "pipe.csv")
    assert "neither a file nor a folder" in refusal(tmp_path / "pipe.csv")


# --- rows that cannot be used

WRONG_ROWS = [
    ("x,train,a,,,t", None),
    ("x,train,a,there.png,,", None),
    ("x,Validation,a,there.png,,", None),
    ("x,train,a,,t", ("", "5 cells where the header has 6")),
    ("x,train,a,,,t,u", ("", "7 cells where the header has 6; a cell that holds commas or line ends stands in quotes")),
    ('x,train,a,,,"t"u', ("", "a quote inside a quoted cell is written twice")),
    (",train,a,,,t", ("id", "no id")),
    ("x,train,,,,t", ("label", "no label")),
    ("x,train,  ,,,t", ("label", "no label")),
    ("x,trian,a,,,t", ("split", "unknown split 'trian'; known are train, training, val")),
    ("x,train,a,,,", ("", "no modality is there: nothing in audio, image, text")),
    ("x,train,a, ,, ", ("", "no modality is there")),
    ("x,train,a,https://there.org/a.png,,t", ("image", "'https://there.org/a.png' is an address, not a file")),
    ("x,train,a,,s3://bucket/a.wav,t", ("audio", "is an address")),
]


@pytest.mark.parametrize(("line", "wrong"), WRONG_ROWS)
def test_a_row_that_cannot_be_used(tmp_path: Path, line: str, wrong: tuple[str, str] | None) -> None:
    (tmp_path / "there.png").touch()
    rows, rejected, _ = read(written(tmp_path, f"id,split,label,image,audio,text\n{line}\ngood,train,a,there.png,,\n"))
    assert rows[-1].id == "good"
    if wrong is None:
        assert len(rows) == 2 and rejected == []
    else:
        assert [(one.line, one.column) for one in rejected] == [(2, wrong[0])]
        assert wrong[1] in rejected[0].reason
        assert rejected[0].id == ("" if wrong[0] in ("", "id") and "modality" not in wrong[1] else "x")


def test_splits_in_other_words(tmp_path: Path) -> None:
    words = {"train": "train Training TRAIN", "val": "val valid validation dev Dev", "test": "test Testing eval evaluation"}
    for split, said in words.items():
        for word in said.split():
            assert read(written(tmp_path, f"split,label,text\n{word},a,b\n"))[0][0].split == split


@pytest.mark.parametrize("cell", ["sub/é.png", "sub\\é.png", "sub/e\u0301.png", " sub/é.png ", "stack.npy#3"])
def test_media_are_found_as_decoding_finds_them(tmp_path: Path, cell: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "é.png").touch()
    (tmp_path / "stack.npy").touch()
    assert read(written(tmp_path, f"label,image\na,{cell}\n"))[0][0].cells == {"image": cell.strip()}


def test_missing_media_are_told_early(tmp_path: Path) -> None:
    start = "label,image\n" + "".join(f"a,{number}.png\n" for number in range(49))
    (tmp_path / "49.png").touch()
    assert len(read(written(tmp_path, start + "a,49.png\n"))[0]) == 50
    assert "first 50 files" in refusal(written(tmp_path, start + "a,x.png\na,49.png\n"))
    assert len(read(written(tmp_path, "label,image,text\na,49.png,\n" + "b,no.png,x\n" * 60))[0]) == 61
    assert "the file is not there" in refusal(written(tmp_path, f"label,image\na,{'x' * 300}.png\n"))


# --- JSON Lines


def test_json_values_as_text(tmp_path: Path) -> None:
    lines = [
        '{"label": 1.50, "text": "a", "n": 12345678901234567890123}',
        '{"label": 1e5, "text": null, "question": true}',
        '{"label": ["a", 2], "text": "c", "n": {"deep": [1]}}',
        "",
        '{"label": true, "text": "d", "n": NaN}',
    ]
    rows, rejected, _ = read(written(tmp_path, "\n".join(lines), "t.jsonl"))
    assert rejected == []
    assert [row.label for row in rows] == ["1.50", "1e5", "a;2", "true"]
    assert [row.cells for row in rows] == [{"question": q, "text": t} for q, t in (("", "a"), ("true", ""), ("", "c"), ("", "d"))]
    assert [row.others["n"] for row in rows] == ["12345678901234567890123", "", '{"deep": ["1"]}', ""]
    assert [row.line for row in rows] == [1, 2, 3, 5]


WRONG_JSON = [
    ('{"label": "b", "text": "b"', "no JSON"),
    ("[1, 2]", "no JSON object"),
    ("7", "no JSON object"),
    ("[" * 100_000, "nested too deeply"),
    ('{"label": "b", "label": "c", "text": "x"}', "the key 'label' is there twice"),
    ('{"label": {"name": "b"}, "text": "x"}', "nested object"),
    ('{"label": "b", "text": "\\ud800"}', "surrogate"),
    ('{"label": "b", "text": "\\u0000"}', "NUL"),
    ('{"label": ["a;b", "c"], "text": "x"}', "holds a ';'"),
    ('{"label": ["a", null], "text": "x"}', "empty element"),
    ('{"label": [["a"], {}], "text": "x"}', "more than text"),
    ('{"text": "x"}', "no label"),
]


@pytest.mark.parametrize(("line", "reason"), WRONG_JSON)
def test_a_line_that_is_no_row(tmp_path: Path, line: str, reason: str) -> None:
    rows, rejected, _ = read(written(tmp_path, f'{{"label": "a", "text": "t"}}\n{line}\n', "t.jsonl"))
    assert len(rows) == 1
    assert [one.line for one in rejected] == [2] and reason in rejected[0].reason


def test_json_columns(tmp_path: Path) -> None:
    assert "is empty" in refusal(written(tmp_path, "\n", "t.jsonl"))
    assert "no line that can be read (line 1: no JSON" in refusal(written(tmp_path, "label\ntext\n", "t.jsonl"))
    lines = ['{"label": "a", "text": "b"}'] * 1000 + ['{"label": "a", "text": "b", "late": 1}'] * 2
    rows, _, notes = read(written(tmp_path, "\n".join(lines), "t.jsonl"))
    assert len(rows) == 1002 and rows[0].others == {}
    assert notes == ["key 'late' is left out: it comes first in line 1001, after the first 1000"]
    assert "holds a character" in refusal(written(tmp_path, '{"label": "a", "text": "b", "\\ud800": 1}', "t.jsonl"))


# --- Parquet, and what Hugging Face `datasets` saves


def test_parquet_values_as_text(tmp_path: Path) -> None:
    columns = {
        "text": pa.array(["a", "b", "c"]),
        "label": pa.array(["x", "y", "x"]).dictionary_encode(),
        "int": pa.array([1, None, -3]),
        "float": pa.array([1.0, float("nan"), 0.1]),
        "single": pa.array([0.1, 1e-7, 2.0], pa.float32()),
        "bool": pa.array([True, False, None]),
        "list": pa.array([["a", "b"], [], None]),
        "numbers": pa.array([[1, 2], [3], []]),
        "bytes": pa.array([b"x", b"y", b"z"]),
        "deep": pa.array([{"a": 1}, None, {"a": 2}]),
        "a.b": pa.array(["dot", "", "s"]),
    }
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table(columns), path)
    rows, rejected, notes = read(path)
    assert rejected == [] and [row.line for row in rows] == [1, 2, 3]
    assert [row.label for row in rows] == ["x", "y", "x"]
    assert {name: [row.others[name] for row in rows] for name in rows[0].others} == {
        "int": ["1", "", "-3"],
        "float": ["1", "", "0.1"],
        "single": ["0.1", "1e-07", "2"],
        "bool": ["true", "false", ""],
        "list": ["a;b", "", ""],
        "numbers": ["1;2", "3", ""],
        "a.b": ["dot", "", "s"],
    }
    assert notes == ["columns that hold files or nested values and are no modality are left out: bytes, deep"]
    assert read(path, columns={"label": "bytes"})[0][1].label == "y"
    assert "'deep' holds nested values" in refusal(path, columns={"label": "deep"})


def test_media_inside_a_parquet_table(tmp_path: Path) -> None:
    (tmp_path / "beside.png").write_bytes(PICTURE)
    image = [{"bytes": PICTURE, "path": "a.png"}, {"bytes": None, "path": "beside.png"}, None]
    metadata = {b"huggingface": json.dumps({"info": {"features": {"label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}}}).encode()}
    table = pa.table({"image": image, "audio": [SOUND, None, b"what?"], "label": [1, 0, 1]}).replace_schema_metadata(metadata)
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=2)
    found = read_table(Data(source=str(tmp_path / "t.parquet")), tmp_path / "made")
    assert found.modalities == {kind: Place(kind, (tmp_path / "made").as_posix()) for kind in ("audio", "image")}
    assert not (tmp_path / "made").exists(), "nothing is written before rows are asked for"
    rows = [row for row in found.rows if isinstance(row, Row)]
    assert [row.label for row in rows] == ["dog", "cat", "dog"]
    assert [row.cells["audio"] for row in rows] == ["audio/1.wav", "", "audio/3.bin"]
    assert [row.cells["image"] for row in rows] == ["image/1.png", str(tmp_path / "beside.png"), ""]
    assert (tmp_path / "made" / "image" / "1.png").read_bytes() == PICTURE
    assert (tmp_path / "made" / "audio" / "1.wav").read_bytes() == SOUND


def test_a_damaged_parquet_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(
        pa.table({"label": ["a"] * 99, "text": ["b" * 50] * 99}), path, write_page_checksum=True, compression="none", use_dictionary=False
    )
    whole = path.read_bytes()
    place = whole.index(b"\x32\0\0\0" + b"b" * 50) + 9
    for content in (b"", b"PAR1", whole[:-30], whole[: len(whole) // 2], whole[:place] + b"x" + whole[place + 1 :]):
        path.write_bytes(content)
        assert f"{path} is damaged" in refusal(path)


@pytest.mark.parametrize("divided", [False, True])
def test_what_hugging_face_datasets_saved(tmp_path: Path, divided: bool) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"]), "caption": datasets.Value("string")}
    )
    data = {"image": [{"bytes": PICTURE, "path": None}] * 3, "label": [0, 1, -1], "caption": ["a", "b", "c"]}
    one = datasets.Dataset.from_dict(data, features=features)
    saved = datasets.DatasetDict({"train": one, "validation": one.select([1])}) if divided else one
    saved.save_to_disk(tmp_path / "saved")
    rows, rejected, notes = read(tmp_path / "saved", tmp_path / "made")
    expected = [("train", "cat"), ("train", "dog"), ("val", "dog")] if divided else [("", "cat"), ("", "dog")]
    assert [(row.split, row.label) for row in rows] == expected
    assert [(one.line, one.reason) for one in rejected] == [(3, "no label")]
    assert [row.cells["caption"] for row in rows] == ["a", "b", "b"][: len(rows)]
    assert all((tmp_path / "made" / row.cells["image"]).read_bytes() == PICTURE for row in rows)
    assert len({row.cells["image"] for row in rows}) == len(rows)
    assert notes == []
    (tmp_path / "saved" / ("dataset_dict.json" if divided else "state.json")).write_text("{}")
    assert "is damaged" in refusal(tmp_path / "saved")


# --- whatever comes, rows or words


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A good table of every format."""
    folder = tmp_path_factory.mktemp("seeds")
    rows = [{"id": str(n), "label": "ab"[n % 2], "text": f"é {n}", "other": '"'} for n in range(20)]
    for suffix in ("csv", "tsv", "jsonl", "parquet"):
        save(folder / f"t.{suffix}", [*rows[0]], rows)
    found = {path.suffix: path.read_bytes() for path in folder.iterdir()}
    return found | {".csv.gz": gzip.compress(found[".csv"])}


def survives(path: Path, encoding: str = "utf-8") -> None:
    """Nothing but rows and UserError."""
    try:
        for row in read_table(Data(source=str(path), encoding=encoding), path.parent / "made").rows:
            assert isinstance(row, Row | Rejected)
    except UserError as error:
        assert path.name in str(error) or "data.encoding" in str(error)  # noqa: PT017 (rows are as good)


@given(
    st.binary(max_size=60),
    st.sampled_from([".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz"]),
    st.sampled_from(["utf-8", "utf-16", "cp1252", "gbk", "utf-7"]),
)
@settings(deadline=None, derandomize=True, max_examples=150)
def test_any_bytes_give_rows_or_words(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str, encoding: str) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    survives(written(folder, content, f"table{suffix}"), encoding)
    survives(written(folder, b"label,text\n" + content, f"table{suffix}"), encoding)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet", ".csv.gz"])
def test_damaged_tables_give_rows_or_words(tmp_path: Path, seeds: dict[str, bytes], suffix: str) -> None:
    draw = random.Random(suffix)
    for number in range(150):
        content = bytearray(seeds[suffix])
        for _ in range(draw.randint(1, 8)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        survives(written(tmp_path, bytes(content[: draw.randrange(len(content))] if number % 3 == 0 else content), f"t{suffix}"))


# --- real tables

SHARED = Path(os.environ.get("DECONFUSE_DATA", "../shared/data"))


@pytest.mark.parametrize(
    ("name", "kinds", "others"),
    [
        ("easy_vqa", {"image": "image", "text": "text"}, ["image_id"]),
        ("fsdd", {"audio": "audio", "text": "text"}, ["speaker", "take", "seconds"]),
        ("grid_av", {"audio": "audio", "text": "text", "video": "video"}, ["speaker_words"]),
        ("noto_emoji", {"image": "image", "text": "text"}, ["title", "tags", "base_codepoints", "emoji"]),
    ],
)
def test_real_tables(tmp_path: Path, name: str, kinds: dict[str, str], others: list[str]) -> None:
    path = SHARED / name / "manifest.csv"
    if not path.exists():
        pytest.skip(f"{path} is not there; DECONFUSE_DATA names the folder of public data sets")
    table = read_table(Data(source=str(path)), tmp_path)
    assert {name: place.kind for name, place in table.modalities.items()} == kinds
    assert table.others == others
    assert all(isinstance(row, Row) and row.split for row in table.rows)
    assert table.notes == []


# --- large tables

PEAK = """
import resource, sys
from pathlib import Path
from deconfuse.params.data import Data
from deconfuse.tables import read_table
print(sum(1 for row in read_table(Data(source=sys.argv[1]), Path(sys.argv[2])).rows), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_memory_does_not_grow_with_rows(tmp_path: Path, suffix: str) -> None:
    peaks = []
    for count in (10_000, 100_000):
        path = tmp_path / f"{count}{suffix}"
        save(path, ["label", "text"], [{"label": "a", "text": f"{number:0200d}"} for number in range(count)])
        done = subprocess.run([sys.executable, "-c", PEAK, path, tmp_path], capture_output=True, text=True, check=True)
        rows, peak = map(int, done.stdout.split())
        assert rows == count
        peaks.append(peak)
    assert peaks[1] < 1.3 * peaks[0]
