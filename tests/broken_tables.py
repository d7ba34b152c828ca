"""Tables and folders as people really have them: each case is a project of its own, and what becomes of it."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

HEADER = "id,label,text\n"
SPLIT_HEADER = "id,split,label,text\n"
PLAIN = [(f"r{i}", ("cat", "dog")[i % 2], f"text {i}") for i in range(12)]
"""What most tables hold beside what is strange: id, label and text."""
BODY = "".join(f"{','.join(row)}\n" for row in PLAIN)
DIVIDED = "".join(f"{one},{('train', 'val', 'test')[i // 2 % 3]},{label},{text}\n" for i, (one, label, text) in enumerate(PLAIN))
Row = tuple[str, Any, str | None]
"""Id, label in words, and text."""
Fault = tuple[int, str, str, str]
"""Line, id, column, and words of the reason."""


@dataclass(frozen=True)
class Case:
    """A table or a folder."""

    name: str
    make: Callable[[Path], object]
    """Puts it into a new folder, which is the project's data."""
    file: str = "table.csv"
    error: tuple[str, ...] = ()
    """Words of the message that ends the run; () where it goes on."""
    rows: list[Row] = field(default_factory=list)
    """All that are used."""
    rejected: tuple[Fault, ...] = ()
    said: tuple[str, ...] = ()
    """Words of the summary: notes, warnings, task and split."""
    data: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


def used(name: str, content: str | bytes, rows: list[Row], file: str = "table.csv", **more: Any) -> Case:
    return Case(name, lambda home: put(home / file, content), file, rows=rows, **more)


def stopped(name: str, content: str | bytes, *error: str, file: str = "table.csv", **more: Any) -> Case:
    return Case(name, lambda home: put(home / file, content), file, error, **more)


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def with_rows(*more: Row) -> list[Row]:
    return [*PLAIN, *more]


# ---------------------------------------------------------------- how the file is written


def written() -> list[Case]:
    """Encodings, line ends, quotes and delimiters."""
    table = HEADER + BODY
    accents = table + 'é,cat,"naïve café"\n'
    found = with_rows(("é", "cat", "naïve café"))
    latin = {"data": {"encoding": "latin-1"}}
    return [
        used("plain", table, PLAIN),
        used("byte order mark", b"\xef\xbb\xbf" + accents.encode(), found),
        used("UTF-16 with a mark", accents.encode("utf-16"), found),
        used("UTF-32 with a mark", accents.encode("utf-32"), found),
        used("UTF-16 without a mark, and named", accents.encode("utf-16-le"), found, data={"encoding": "utf-16-le"}),
        stopped("UTF-16 without a mark", table.encode("utf-16-le"), "table.csv, line 1, holds a NUL byte", "data.encoding: utf-16"),
        stopped("UTF-16 without a mark, with accents", accents.encode("utf-16-le"), "is no utf-8 text", "data.encoding: utf-16"),
        used("Latin-1, and named", accents.encode("latin-1"), found, **latin),
        stopped(
            "Latin-1 taken for UTF-8",
            accents.encode("latin-1"),
            f"line 14: byte {len(table)} ",
            "is no utf-8 text",
            "data.encoding: utf-16 or latin-1",
        ),
        stopped("no such encoding", table, "data.encoding: there is no encoding 'utf-9'", data={"encoding": "utf-9"}),
        stopped("an encoding that makes no text", table, "there is no encoding 'base64'", data={"encoding": "base64"}),
        used("CR LF", table.replace("\n", "\r\n"), PLAIN),
        used("CR alone", table.replace("\n", "\r"), PLAIN),
        used("no line end at the end", table[:-1], PLAIN),
        used("blank lines", "\n" + table.replace("\n", "\n\n") + "\n\n", PLAIN),
        used("rows of commas alone", table + ",,\n,,\n", PLAIN, said=("blank rows, left out: 2",)),
        used("quoted line ends", table + 'q,cat,"a\nb\r\nc,""d"""\n', with_rows(("q", "cat", 'a\nb\r\nc,"d"'))),
        stopped("a quote that never closes", table + 'q,cat,"a\nz,dog,b\n', "line 14", 'a quote (") opens in this row and never closes'),
        used(
            "a quote inside a quoted cell", table + 'q,cat,"a"b"\n', PLAIN, rejected=((14, "line 14", "", "a quote inside a quoted cell"),)
        ),
        used("too few cells", table + "q,cat\n", PLAIN, rejected=((14, "line 14", "", "2 cells where the header has 3"),)),
        used(
            "too many cells", table + "q,cat,a,b\n", PLAIN, rejected=((14, "line 14", "", "4 cells where the header has 3; a cell that"),)
        ),
        stopped(
            "a comma too many in all rows", HEADER + BODY.replace("text", "te,xt"), "not one of its 12 rows can be used", "12 x 4 cells"
        ),
        used("semicolons", table.replace(",", ";"), PLAIN, said=("semicolons, not commas",)),
        used("tabs in .csv", table.replace(",", "\t"), PLAIN, said=("tabs, not commas",)),
        used("bars", table.replace(",", "|"), PLAIN, said=("bars, not commas",)),
        used("TSV", table.replace(",", "\t"), PLAIN, "table.tsv"),
        used("TSV with commas", table, PLAIN, "table.tsv", said=("commas, not tabs",)),
        used("compressed", gzip.compress(table.encode()), PLAIN, "table.csv.gz"),
        stopped("compressed and cut", gzip.compress(table.encode())[:-12], "table.csv.gz cannot be read", file="table.csv.gz"),
        stopped("no gzip for all its name", table, "table.csv.gz cannot be read", file="table.csv.gz"),
        stopped("NUL", table + "q,cat,a\0b\n", "line 14, holds a NUL byte"),
        stopped("random bytes", bytes(range(256)) * 4, "table.csv"),
        stopped("a picture as table", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no utf-8 text"),
        stopped("spreadsheet", b"PK\x03\x04", "is no table that can be read", "saved as CSV", file="table.xlsx"),
        stopped("another case of the suffix", b"", "is empty; it must hold a header", file="TABLE.CSV"),
    ]


# ---------------------------------------------------------------- header and columns


def headed() -> list[Case]:
    """What the columns are called."""
    image = {"modalities": {"look": {"column": "text", "kind": "text"}}}
    return [
        stopped("empty file", b"", "table.csv is empty; it must hold a header and a row a sample"),
        stopped("white space alone", " \n\t\n", "table.csv"),
        stopped("header only", HEADER, "has a header and no rows"),
        stopped("no header", BODY, "no column that is known as a label", "it has: r0, cat, text 0"),
        stopped("no header and files", "1,cat,a.png\n2,dog,b.png\n", "is the header row missing? '1' looks like a cell"),
        stopped("a column twice", "id,label,text,text\n" + BODY.replace("\n", ",x\n"), "more than one column 'text'"),
        stopped(
            "no known column", "a,b,c\n" + BODY, "no column that is known as a label", "it has: a, b, c", "data: {columns: {label: c}}"
        ),
        stopped("no modality", "id,label,words\n" + BODY, "no column that is known as a modality", "{column: words, kind: image}"),
        stopped(
            "two columns of labels",
            "id,label,class,text\n" + BODY.replace("text", "x,text"),
            "more than one column could be the label: label, class",
        ),
        stopped(
            "a mapped column that is not there",
            HEADER + BODY,
            "data.columns.label",
            "no column 'lable', did you mean 'label'?",
            data={"columns": {"label": "lable"}},
        ),
        stopped(
            "a modality called label",
            HEADER + BODY,
            "a modality cannot be called 'label'",
            data={"columns": {"modalities": {"label": "text"}}},
        ),
        stopped("two columns of one modality", "label,text,Text\n" + BODY, "would both be the modality 'text'"),
        used("names with spaces and capitals", " ID , Label ,  TEXT \n" + BODY, PLAIN),
        used("a column without a name", "id,label,text,\n" + BODY.replace("\n", ",\n"), PLAIN),
        used(
            "columns as they are mapped",
            "n,what,text\n" + BODY,
            [(one, label, None) for one, label, _ in PLAIN],
            data={"columns": {"id": "n", "label": "what", **image}},
            said=("binary",),
        ),
        used(
            "no column of ids",
            "label,text\n" + "".join(f"{b},{c}\n" for _, b, c in PLAIN),
            [(str(i + 1), b, c) for i, (_, b, c) in enumerate(PLAIN)],
        ),
        used("emoji as the name of another column", HEADER.replace("\n", ",🐈\n") + BODY.replace("\n", ",x\n"), PLAIN),
    ]


# ---------------------------------------------------------------- ids, labels and splits


def labels(*names: str) -> tuple[str, list[Row]]:
    """A table in which each label has three rows."""
    rows = [(f"n{i}", name.strip(), f"other {i}") for i, name in enumerate([*names] * 3)]
    lines = [f'n{i},"{name}",other {i}\n' for i, name in enumerate([*names] * 3)]
    return HEADER + "".join(lines), rows


def meant() -> list[Case]:
    """What cells mean."""
    table, divided = HEADER + BODY, SPLIT_HEADER + DIVIDED
    ids = [
        "001",
        "1",
        "01",
        "1e5",
        "100000",
        "123456789012345678901234567890",
        "None",
        "nan",
        "猫🐈\u200d⬛",
        "a b",
        "=1+1",
        "../x",
        "x" * 500,
    ]
    return [
        used(
            "ids as they are written",
            table + "".join(f"{one},cat,x {one}\n" for one in ids),
            with_rows(*((one, "cat", f"x {one}") for one in ids)),
        ),
        used(
            "spaces around",
            table + " q , cat , a \n",
            with_rows(("q", "cat", " a ")),
            said=("column 'id': cells with space around them, taken off: 1",),
        ),
        used("no id", table + ",cat,a\n", PLAIN, rejected=((14, "line 14", "id", "no id"),)),
        stopped("an id twice", table + "r3,cat,a\n", "has ids that more than one row has", "'r3' in lines 5 and 14"),
        stopped("an id twice but for space", table + " r3 ,cat,a\n", "'r3' in lines 5 and 14"),
        stopped("ids twice in all rows", table + BODY, "the first ten of which are", "'r9' in lines 11 and 23"),
        used(
            "labels that mean nothing elsewhere",
            *labels("None", "NA", "null", "nan", "n/a", "-", "True"),
            said=("single_label", "'nan' among them"),
        ),
        used("1 and 1.0 are two labels", *labels("1", "1.0", "01"), options={"task": "single_label"}),
        used("labels with spaces", *labels(" cat ", "big dog", "猫"), said=("column 'label': cells with space around them",)),
        used("labels that differ in case", *labels("Cat", "cat ", "dog"), said=("differ in case", "'Cat' and 'cat'")),
        used("two labels", table, PLAIN, said=("binary", "two different labels")),
        used("several labels a cell", *labels("a;b", "b", "a", "a;c", "c"), options={"max_rejected": 0}, said=("multi_label",)),
        used("an empty label", table + "q,,a\n", PLAIN, rejected=((14, "q", "label", "no label"),)),
        stopped(
            "all labels empty",
            HEADER + "".join(f"{one},,x\n" for one, _, _ in PLAIN),
            "not one row has a label",
            "column 'label' is taken for it",
        ),
        stopped("a single class", HEADER + BODY.replace("dog", "cat"), "all rows have the label 'cat'", "two classes or more"),
        stopped("a class of one row", table + "q,cow,a\n", "'cow'"),
        stopped("a class in test only", divided + "q,test,cow,a\np,test,cow,b\n", "no training row has the label cow"),
        stopped("a class in val only", divided + "q,val,cow,a\np,val,cow,b\n", "no training row has the label cow"),
        used(
            "unknown split",
            divided + "q,holdout,cat,a\n",
            PLAIN,
            rejected=((14, "q", "split", "unknown split 'holdout'; known are train"),),
        ),
        used(
            "splits in other words", divided.replace(",val,", ", Valid ,").replace(",test,", ",EVAL,"), PLAIN, said=("are the table's own",)
        ),
        used(
            "an empty split",
            divided + "q,,cat,a\n",
            with_rows(("q", "cat", "a")),
            said=("1 rows without a split were taken as rows of train",),
        ),
        stopped("val and test alone", divided.replace(",train,", ",test,"), "no row is in the split 'train': all are in val or test"),
        used("train and test alone", divided.replace(",val,", ",train,"), PLAIN, said=("val is 15 % of train",)),
        used(
            "a split that loses all its rows",
            re.sub(r"(?<=,test,)\w+", "", divided),
            [row for i, row in enumerate(PLAIN) if i // 2 % 3 < 2],
            rejected=tuple((i + 2, f"r{i}", "label", "no label") for i in (4, 5, 10, 11)),
            said=("test is 25 % of train",),
        ),
        stopped("labels that are no numbers", table, "cannot be used", options={"task": "regression"}),
        used(
            "a number that is none",
            *regression(),
            rejected=((14, "q", "label", "nan"), (15, "p", "label", "tall")),
            options={"task": "regression"},
        ),
        used(
            "an empty text",
            table + "q,cat,\np,dog,  \n",
            PLAIN,
            rejected=((14, "q", "", "no modality is there"), (15, "p", "", "no modality is there")),
        ),
        stopped(
            "too many rows that cannot be used",
            table + "q,,a\n",
            "1 of 13 rows cannot be used",
            "line 14 (q), label: no label",
            options={"max_rejected": 0.01},
        ),
        stopped(
            "paths that all fail",
            HEADER.replace("text", "image") + BODY,
            "not one of the first 12 files is there",
            "which holds table.csv",
            "'text 0'",
        ),
        stopped(
            "groups that cross splits",
            divided.replace("text\n", "text,who\n", 1).replace("\n", ",a\n").replace("who,a", "who"),
            "who",
            options={"group_by": "who"},
        ),
        stopped("no such group", table, "group_by", options={"group_by": "speaker"}),
    ]


def regression() -> tuple[str, list[Row]]:
    rows = [(f"r{i}", 1.5 * i, f"text {i}") for i in range(12)]
    lines = [f"{one},{value},{text}\n" for one, value, text in rows]
    return HEADER + "".join(lines) + "q,nan,a\np,tall,b\n", rows


# ---------------------------------------------------------------- JSON Lines and Parquet


def typed() -> list[Case]:
    """Tables whose cells are no mere text."""
    lines = "".join(json.dumps({"id": one, "label": label, "text": text}) + "\n" for one, label, text in PLAIN)
    jsonl = "table.jsonl"
    broken = [
        ("a damaged line", '{"id": "q", "label"', "no JSON: "),
        ("a list as line", "[1, 2]", "no JSON object: it must begin with {"),
        ("a key twice", '{"id": "q", "id": "p", "label": "cat", "text": "a"}', "the key 'id' is there twice"),
        ("a line nested 100,000 deep", "[" * 100_000, "no JSON that can be read: it is nested too deeply"),
        ("a line of text", "hello", "no JSON: "),
    ]
    cells = [
        ("nested object as label", '{"id": "q", "label": {"a": 1}, "text": "a"}', "label", "a nested object"),
        ("null as label", '{"id": "q", "label": null, "text": "a"}', "label", "no label"),
        ("NaN as label", '{"id": "q", "label": NaN, "text": "a"}', "label", "no label"),
        ("half a character as label", '{"id": "q", "label": "\\ud800", "text": "a"}', "label", "a lone surrogate"),
        ("no text", '{"id": "q", "label": "cat"}', "", "no modality is there"),
    ]
    plain = pa.table({"id": [row[0] for row in PLAIN], "label": [row[1] for row in PLAIN], "text": [row[2] for row in PLAIN]})
    numbered = pa.table({"id": list(range(12)), "label": [1.0, 2.0] * 6, "text": [row[2] for row in PLAIN]})
    holes = plain.append_column("text2", pa.array(["x", None] * 6)).append_column("more", pa.array([{"a": 1}] * 12))
    packed = parquet(plain)
    stop = {"file": "table.parquet"}
    return [
        used("JSON Lines", lines, PLAIN, jsonl),
        *(used(name, lines + line + "\n", PLAIN, jsonl, rejected=((13, "line 13", "", words),)) for name, line, words in broken),
        *(used(name, lines + line + "\n", PLAIN, jsonl, rejected=((13, "q", column, words),)) for name, line, column, words in cells),
        used(
            "JSON numbers as they are written",
            lines + '{"id": 1e5, "label": "cat", "text": 1.50}',
            with_rows(("1e5", "cat", "1.50")),
            jsonl,
        ),
        stopped("one JSON document", json.dumps([{"id": 1}], indent=1), "has no line that can be read", "line 1", file=jsonl),
        stopped("empty JSON Lines", b"", "is empty; it must hold a JSON object a line", file=jsonl),
        used("Parquet", packed, PLAIN, "table.parquet"),
        used("Parquet of numbers", parquet(numbered), [(str(i), str(i % 2 + 1), f"text {i}") for i in range(12)], "table.parquet"),
        used("Parquet with nested columns", parquet(holes), PLAIN, "table.parquet", said=("are left out: more",)),
        stopped("Parquet cut in half", packed[: len(packed) // 2], "table.parquet is damaged", **stop),
        stopped("Parquet of 0 bytes", b"", "table.parquet is damaged", **stop),
        stopped("Parquet with a flipped byte", packed[:60] + bytes([packed[60] ^ 255]) + packed[61:], "table.parquet is damaged", **stop),
        stopped("CSV named .parquet", HEADER + BODY, "table.parquet is damaged", **stop),
        stopped("Parquet without rows", parquet(plain.slice(0, 0)), "has a header and no rows", **stop),
        stopped(
            "nested labels in Parquet",
            parquet(plain.set_column(1, "label", pa.array([{"a": 1}] * 12))),
            "column 'label' holds nested values",
            **stop,
        ),
    ]


def parquet(table: pa.Table) -> bytes:
    file = BytesIO()
    pq.write_table(table, file, write_page_checksum=True, compression="none", use_dictionary=False)
    return file.getvalue()


# ---------------------------------------------------------------- folders


def folders() -> list[Case]:
    """A folder with a folder a class."""
    good = {f"{label}/{one}.txt": text for one, label, text in PLAIN}
    rows = [(f"{label}/{one}", label, text) for one, label, text in PLAIN]
    split = {f"{('train', 'val', 'test')[i // 2 % 3]}/{name}": text for i, (name, text) in enumerate(good.items())}
    bad_text = {"cat/bad.txt": b"\xff\xfe\xfd", "cat/none.txt": b"", "dog/blank.txt": b" \n"}
    faults = (
        (1, "cat/bad", "text", "is no utf-16 text"),
        (2, "cat/none", "text", "the file holds no text"),
        (9, "dog/blank", "text", "the file holds no text"),
    )
    junk = {"cat/.hidden": "x", "dog/Thumbs.db": "x", "dog/notes.docx": "x", "readme.md": "x", "cow/.keep": ""}
    return [
        folder("folders of classes", good, rows=rows),
        folder("splits above classes", split, rows=rows, said=("train, val and test are the table's own",)),
        folder("folders of splits in other words", {name.replace("val/", "Validation/"): text for name, text in split.items()}, rows=rows),
        folder("texts that are none", good | bad_text, rows=rows, rejected=faults),
        folder("what systems leave behind", good | junk, rows=rows, said=("files of an unknown kind (.docx): 1", "without media (cow): 1")),
        folder("links that lead in circles", good, rows=rows, link="cat/again", said=("links to folders (again): 1",)),
        folder("names with spaces and emoji", good | {"cat/a b 🐈.txt": "x"}, rows=[*rows, ("cat/a b 🐈", "cat", "x")]),
        folder("an empty folder", {}, error=("has no folders of classes, it holds nothing",)),
        folder("files without folders", {"a.txt": "x", "b.txt": "y"}, error=("has no folders of classes, it holds a.txt, b.txt",)),
        folder("one class", {name: text for name, text in good.items() if "cat" in name}, error=("all rows have the label 'cat'",)),
        folder("empty folders of classes", {"cat/.keep": "", "dog/.keep": ""}, error=("holds no pictures, sounds, clips or texts",)),
        folder("splits without classes", {"train/a.txt": "x", "test/b.txt": "y"}, error=("test, train hold no folders of classes",)),
        folder("classes beside splits", split | {"cow/a.txt": "x"}, error=("these are no splits or hold no classes: cow",)),
        folder("a table beside classes", good | {"table.csv": HEADER}, error=("holds a table (table.csv) beside its folders",)),
        folder(
            "a folder of a class in test only",
            split | {"test/cow/a.txt": "x", "test/cow/b.txt": "y"},
            error=("no training row has the label cow",),
        ),
        folder(
            "columns of a folder", good, data={"columns": {"label": "x"}}, error=("data.columns names columns", "is a folder of classes")
        ),
        folder("a damaged saved set", {"state.json": "{"}, error=("state.json is damaged",)),
    ]


def folder(name: str, files: dict[str, Any], link: str = "", **more: Any) -> Case:
    def make(home: Path) -> None:
        (home / "own").mkdir()
        for file, content in files.items():
            put(home / "own" / file, content)
        if link:
            (home / "own" / link).symlink_to(home / "own", target_is_directory=True)

    return Case(name, make, "own", **more)


CASES = [*written(), *headed(), *meant(), *typed(), *folders()]
