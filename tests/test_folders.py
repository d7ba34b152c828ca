"""A folder of files as a data set: classes, splits, files that belong together, and all that lies about in folders."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.params.data import Data
from deconfuse.tables import read_table
from deconfuse.tables.records import Table


def lay(folder: Path, *names: str) -> Path:
    """Files with their names as content; a name that ends in / is an empty folder."""
    for name in names:
        path = folder / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_text(name)
    return folder


def opened(folder: Path, **options: Any) -> Table:
    return read_table(Data(source=str(folder), **options), folder / "made")


def rows(folder: Path, **options: Any) -> list[Row]:
    found = list(opened(folder, **options).rows)
    assert [row for row in found if isinstance(row, Rejected)] == []
    return [row for row in found if isinstance(row, Row)]


def brief(found: list[Row]) -> list[tuple]:
    return [(row.id, row.split, row.label, *row.cells.values()) for row in found]


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(UserError) as error:
        list(opened(folder, **options).rows)
    return str(error.value)


def test_a_folder_a_class(tmp_path: Path) -> None:
    lay(
        tmp_path,
        "dogs/2.JPG",
        "cats/1.png",
        "cats/deep/er/1.png",
        "cats/.hidden.png",
        "cats/Thumbs.db",
        ".git/x.png",
        "__MACOSX/cats/1.png",
    )
    table = opened(tmp_path)
    assert table.modalities == {"image": Place("image", tmp_path.as_posix())}
    assert (table.others, table.notes) == ([], [])
    assert list(table.rows) == [
        Row(1, "cats/1", "", "cats", {"image": "cats/1.png"}),
        Row(2, "cats/deep/er/1", "", "cats", {"image": "cats/deep/er/1.png"}),
        Row(3, "dogs/2", "", "dogs", {"image": "dogs/2.JPG"}),
    ]


def test_splits_above_classes(tmp_path: Path) -> None:
    lay(tmp_path, "Train/cats/1.png", "Train/dogs/2.png", "validation/cats/3.png", "test/dogs/4.png", "stats.csv", "test/notes.txt")
    assert brief(rows(tmp_path)) == [
        ("cats/1", "train", "cats", "Train/cats/1.png"),
        ("dogs/2", "train", "dogs", "Train/dogs/2.png"),
        ("dogs/4", "test", "dogs", "test/dogs/4.png"),
        ("cats/3", "val", "cats", "validation/cats/3.png"),
    ]
    assert opened(tmp_path).notes == ["left out: files outside folders of classes (notes.txt, stats.csv): 2"]


def test_names_that_splits_share(tmp_path: Path) -> None:
    lay(tmp_path, "train/cats/1.png", "train/cats/2.png", "test/cats/1.png")
    assert [row.id for row in rows(tmp_path)] == ["test/cats/1", "train/cats/1", "train/cats/2"]


def test_files_of_one_stem_are_one_row(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "a/1.wav", "a/1.txt", "a/1.mp4", "b/2.flac", "b/2.x.png")
    found = rows(tmp_path)
    assert [row.id for row in found] == ["a/1", "b/2", "b/2.x"]
    assert found[0].cells == {"audio": "a/1.wav", "image": "a/1.png", "text": "a/1.txt", "video": "a/1.mp4"}
    assert found[1].cells == {"audio": "b/2.flac", "image": "", "text": "", "video": ""}
    assert [row.line for row in found] == [1, 5, 6]


def test_files_of_one_stem_and_one_kind_are_rows_of_their_own(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "a/1.jpg", "a/1.wav", "b/2.png")
    assert [(row.id, row.cells["image"], row.cells["audio"]) for row in rows(tmp_path)] == [
        ("a/1.jpg", "a/1.jpg", ""),
        ("a/1.png", "a/1.png", ""),
        ("a/1.wav", "", "a/1.wav"),
        ("b/2", "b/2.png", ""),
    ]


def test_texts_are_read(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.txt", "b/2.txt", "b/3.txt", "b/4.txt")
    (tmp_path / "a" / "1.txt").write_bytes("\ufeffgrün,\r\nja".encode())
    (tmp_path / "b" / "3.txt").write_bytes(b"caf\xe9")
    (tmp_path / "b" / "4.txt").write_bytes(b" \n")
    found = list(opened(tmp_path).rows)
    assert found[:2] == [Row(1, "a/1", "", "a", {"text": "grün,\r\nja"}), Row(2, "b/2", "", "b", {"text": "b/2.txt"})]
    assert [(one.line, one.id, one.column) for one in found if isinstance(one, Rejected)] == [(3, "b/3", "text"), (4, "b/4", "text")]
    assert "byte 3" in found[2].reason and "holds no text" in found[3].reason
    assert brief([row for row in opened(tmp_path, encoding="latin-1").rows if isinstance(row, Row)])[2][-1] == "café"


def test_what_is_left_out_is_counted(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "a/1.a", "a/2.a", "a/1.b", "a/1.c", "a/1.d", "b/1.png", "empty/", "README.md", "b/README")
    (tmp_path / "a" / "broken.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "b" / "pipe.png")
    assert len(rows(tmp_path)) == 2
    assert opened(tmp_path).notes == [
        "left out: broken links and other entries that are no files (broken.png, pipe.png): 2",
        "left out: files of an unknown kind (.a, .b, .c, ...): 6",
        "left out: files outside folders of classes (README.md): 1",
        "left out: folders of a class without media (empty): 1",
    ]


def test_links_do_not_lead_in_circles(tmp_path: Path) -> None:
    lay(tmp_path / "data", "a/1.png", "b/2.png")
    lay(tmp_path / "elsewhere", "3.png")
    (tmp_path / "data" / "a" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "a" / "self").symlink_to("self")
    (tmp_path / "data" / "c").symlink_to(tmp_path / "elsewhere")
    assert [row.id for row in rows(tmp_path / "data")] == ["a/1", "b/2", "c/3"]
    assert "left out: links to folders (up): 1" in opened(tmp_path / "data").notes


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    assert [row.label for row in rows(lay(tmp_path, "car/1.png", "train/2.png"))] == ["car", "train"]


WRONG = [
    ([], ["no folders of classes, it holds nothing", "one folder a class is expected"]),
    (["1.png", "2.png"], ["no folders of classes, it holds 1.png, 2.png"]),
    (["1.png", "labels.csv"], ["did you mean data.source", "labels.csv?"]),
    (["images/1.png", "manifest.csv"], ["a table (manifest.csv) beside its folders", "did you mean data.source"]),
    (["a/1.xyz", "b/"], ["holds no pictures, sounds, clips or texts"]),
    (["train/1.png", "test/2.png"], ["test, train hold no folders of classes"]),
    (["train/1.png"], ["train hold no folders of classes"]),
    (["train/cat/1.png", "test/2.png"], ["beside the split train", "hold no classes: test"]),
    (["train/cat/1.png", "masks/cat/1.png"], ["beside the split train", "masks"]),
]


@pytest.mark.parametrize(("names", "told"), WRONG)
def test_a_folder_that_cannot_be_used(tmp_path: Path, names: list[str], told: list[str]) -> None:
    message = refusal(lay(tmp_path / "data", *names, "./"))
    assert [words for words in told if words not in message] == [], message


def test_columns_are_for_tables(tmp_path: Path) -> None:
    assert "is a folder of classes" in refusal(lay(tmp_path, "a/1.png", "b/1.png"), columns={"label": "x"})


def test_names_that_are_no_text_are_rejected(tmp_path: Path) -> None:
    lay(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / os.fsdecode(b"\xff.png")).touch()
    (tmp_path / "a" / os.fsdecode(b"x.\xff")).touch()
    table = opened(tmp_path)
    found = list(table.rows)
    assert [(one.id, one.column) for one in found if isinstance(one, Rejected)] == [("a/?", "image")]
    assert len(found) == 3
    assert all(note.encode() for note in table.notes)


NAMES = st.sampled_from(["a", "b", "train", "test", "1", "2.x", "x y", "é"])
SUFFIXES = st.sampled_from([".png", ".jpg", ".wav", ".txt", ".mp4"])


@given(st.sets(st.tuples(NAMES, NAMES, NAMES, SUFFIXES), min_size=1, max_size=12))
@settings(deadline=None, derandomize=True, max_examples=60)
def test_every_file_is_in_one_row(tmp_path_factory: pytest.TempPathFactory, paths: set[tuple[str, str, str, str]]) -> None:
    folder = tmp_path_factory.mktemp("folder")
    lay(folder, *(f"{top}/{middle}/{stem}{suffix}" for top, middle, stem, suffix in paths))
    try:
        found = rows(folder)
    except UserError as error:
        assert "beside the split" in str(error)  # noqa: PT017
        return
    cells = [cell for row in found for cell in row.cells.values() if cell]
    assert sorted(cells) == sorted(f"{top}/{middle}/{stem}{suffix}" for top, middle, stem, suffix in paths)
    assert len({row.id for row in found}) == len(found)
    assert found == rows(folder)
