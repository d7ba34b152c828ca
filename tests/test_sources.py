"""The public data sets: from their files, or small ones of the same form, to rows and pixels that are those of the files."""

import csv
import gzip
import hashlib
import importlib
import inspect
import io
import json
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from PIL import Image
from public import DATA, needs, of, place
from web import good, serving

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names
from deconfuse.manifest import stream
from deconfuse.sources import _fetch, _idx, ag_news, cifar10, easy_vqa, fashion_mnist


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("source", names("sources"))
def test_every_source_keeps_the_contract(source: str) -> None:
    module = importlib.import_module(f"deconfuse.sources.{source}")
    assert module.ABOUT["name"] == source
    assert all(module.ABOUT[key] for key in ("title", "licence", "citation"))
    assert {told["kind"] for told in module.ABOUT["modalities"].values()} <= {"audio", "image", "text", "video"}
    assert list(inspect.signature(module.make).parameters) == ["options", "folder", "limit", "mirror"]
    assert module.__doc__


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(head + array.astype(np.uint8).tobytes())


def small_set(folder: Path) -> tuple[dict[str, _fetch.File], dict[str, np.ndarray]]:
    """A set of 20 + 10 pictures in MNIST's files, in a mirror folder."""
    draw, files, arrays = default_rng(0), {}, {}
    for split, size in (("train", 20), ("test", 10)):
        arrays[split] = draw.integers(256, size=(size, 5, 4))
        for name, array in zip(_idx.NAMES[split], (arrays[split], np.arange(size) % 3), strict=True):
            (folder / "small").mkdir(parents=True, exist_ok=True)
            (folder / "small" / name).write_bytes(idx(array))
            files[name] = _fetch.File(f"small/{name}", (), _fetch.Content(_fetch.sha256, _fetch.sha256(folder / "small" / name)))
    return files, arrays


def test_an_idx_set(tmp_path: Path) -> None:
    files, arrays = small_set(tmp_path)
    _idx.make(files, ["a", "b", "c"], tmp_path, None, str(tmp_path))
    rows = list(stream(tmp_path / "manifest.csv", ["image"]))
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), np.concatenate([arrays["train"], arrays["test"]]))
    assert [row.cells["image"] for row in rows] == [f"images.npy#{number}" for number in range(30)]
    assert [row.split for row in rows] == ["train"] * 20 + ["test"] * 10
    assert [row.label for row in rows] == [*("abc" * 7)[:20], *("abc" * 4)[:10]]
    assert (rows[0].id, rows[21].id, rows[21].line) == ("train_00000", "test_00001", 22)


def test_a_limit_leaves_rows_as_they_are(tmp_path: Path) -> None:
    files, arrays = small_set(tmp_path)
    _idx.make(files, ["a", "b", "c"], tmp_path, 13, str(tmp_path))
    rows, images = list(stream(tmp_path / "manifest.csv", ["image"])), np.load(tmp_path / "images.npy")
    assert len(rows) == len(images) == 13
    assert set(Counter((row.split, row.label) for row in rows)) == {(split, label) for split in arrays for label in "abc"}
    for row in rows:
        split, number = row.id.split("_")
        np.testing.assert_array_equal(images[place(row.cells["image"])], arrays[split][int(number)])


@pytest.mark.parametrize(
    "content", [b"", b"\0\0\x08", b"\0\0\x0d\x01\0\0\0\x01\0", b"\0\0\x08\x01\0\0\0\x05abc", b"\0\0\x08\x09", b"\0\0\x08\x01\0\0\0\x01ab"]
)
def test_no_idx_file_is_taken_for_one(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    with pytest.raises(UserError, match=r"a.gz is no idx file of bytes, or not a whole one"):
        _idx.read(tmp_path / "a.gz")


def test_a_hash_is_of_what_is_packed(tmp_path: Path) -> None:
    for level in (1, 9):
        (tmp_path / f"{level}.gz").write_bytes(gzip.compress(b"same" * 1000, level))
    assert _idx.sha256_plain(tmp_path / "1.gz") == _idx.sha256_plain(tmp_path / "9.gz") == hashlib.sha256(b"same" * 1000).hexdigest()


@needs("mnist")
def test_mnist(tmp_path: Path) -> None:
    about, rows = of("mnist", tmp_path / "m")
    images = np.load(tmp_path / "m/images.npy", mmap_mode="r")
    assert about["title"] == "MNIST handwritten digits"
    assert images.shape == (70_000, 28, 28) and images.dtype == np.uint8
    assert Counter(row.split for row in rows) == {"train": 60_000, "test": 10_000}
    # the published counts of the test file, and the first labels of the training file
    assert [Counter(row.label for row in rows[60_000:])[str(digit)] for digit in range(10)] == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert "".join(row.label for row in rows[:10]) == "5041921314"
    assert (
        hashlib.sha256(images[60_000:].tobytes()).hexdigest()
        == hashlib.sha256(_idx.read(DATA / "mnist/t10k-images-idx3-ubyte.gz").tobytes()).hexdigest()
    )


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as made:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
    return path


def test_cifar10_in_its_binary_form(tmp_path: Path) -> None:
    draw = default_rng(0)
    pixels, labels = draw.integers(256, size=(6, 4, 32, 32, 3), dtype=np.uint8), draw.integers(10, size=(6, 4), dtype=np.uint8)
    batches = {
        f"cifar-10-batches-bin/{name}": b"".join(
            bytes([label]) + picture.transpose(2, 0, 1).tobytes() for label, picture in zip(*batch, strict=True)
        )
        for name, batch in zip(cifar10.BATCHES, zip(labels, pixels, strict=True), strict=True)
    }
    # in another order than they are to be read in
    cifar10._records(
        archive(tmp_path / "c.tgz", {"cifar-10-batches-bin/readme.html": b"x", **dict(reversed(batches.items()))}), tmp_path, None
    )
    rows = list(stream(tmp_path / "manifest.csv", ["image"]))
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), pixels.reshape(-1, 32, 32, 3))
    assert [row.label for row in rows] == [cifar10.CLASSES[label] for label in labels.ravel()]
    assert Counter(row.split for row in rows) == {"train": 20, "test": 4}
    assert rows[20].id == "test_00000"
    with pytest.raises(UserError, match="has no data_batch_1.bin"):
        cifar10._records(archive(tmp_path / "d.tgz", {"test_batch.bin": b""}), tmp_path, None)


@needs("cifar10")
def test_cifar10_as_a_jpeg_copy_is_called_so(tmp_path: Path) -> None:
    about, rows = of("cifar10", tmp_path / "c", 200)
    assert about["title"] == "CIFAR-10 (JPEG copy, quality 75)"
    assert "not the lossless original" in about["notes"][0]
    assert cifar10.ABOUT["title"] == "CIFAR-10"
    assert set(Counter((row.split, row.label) for row in rows)) == {
        (split, label) for split in ("train", "test") for label in cifar10.CLASSES
    }
    row = next(row for row in rows if row.split == "test")
    wanted = row.id.replace("_", "/") + ".jpg"
    content = next(content for name, content in cifar10.members(DATA / cifar10.COPY.name) if name == wanted)
    picture = np.load(tmp_path / "c/images.npy")[place(row.cells["image"])]
    np.testing.assert_array_equal(picture, np.asarray(Image.open(io.BytesIO(content))))


@needs("easy_vqa")
def test_easy_vqa_from_a_folder(tmp_path: Path) -> None:
    about, rows = of("easy_vqa", tmp_path / "e")
    images = np.load(tmp_path / "e/images.npy", mmap_mode="r")
    assert about["notes"] and "sample" in about["title"]
    assert Counter(row.split for row in rows) == {"train": 8000, "val": 1000, "test": 2000}
    with (DATA / "easy_vqa/manifest.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [(row.line, row.id, row.split, row.label, row.cells["text"]) for row in rows] == [
        (line, told["id"], told["split"], told["label"], told["text"]) for line, told in enumerate(table, start=2)
    ]
    for number in range(0, len(rows), 2000):
        picture = np.asarray(Image.open(DATA / "easy_vqa" / table[number]["image"]).convert("RGB"))
        np.testing.assert_array_equal(images[place(rows[number].cells["image"])], picture)


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(file, "PNG")
    return file.getvalue()


def vqa(path: Path, answer: str = "blue", picture: int = 1) -> Path:
    asked = {"train": [["what colour?", "red", 0], ["is it red?", "no", 1]], "test": [["what colour?", answer, picture]]}
    files = {f"easy-VQA-x/easy_vqa/data/{split}/questions.json": json.dumps(asked[split]).encode() for split in asked}
    for split, number, colour in (("train", 0, (255, 0, 0)), ("train", 1, (0, 255, 0)), ("test", 1, (0, 0, 255))):
        files[f"easy-VQA-x/easy_vqa/data/{split}/images/{number}.png"] = png(colour)
    return archive(path, files)


def test_easy_vqa_from_the_public_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = vqa(tmp_path / "small.tar.gz")
    with serving(small=lambda answer, visit: good(answer, visit, path.read_bytes())) as (address, _):
        content = easy_vqa.ARCHIVE.content._replace(wanted=easy_vqa.digest(easy_vqa.pictures(path)))
        monkeypatch.setattr(easy_vqa, "ARCHIVE", easy_vqa.ARCHIVE._replace(addresses=(f"{address}/small",), content=content))
        about = easy_vqa.make(None, tmp_path)
    assert "notes" not in about
    rows, images = list(stream(tmp_path / "manifest.csv", ["image", "text"])), np.load(tmp_path / "images.npy")
    assert [(row.id, row.split, row.label, row.cells["text"]) for row in rows] == [
        ("train_0", "train", "red", "what colour?"),
        ("train_1", "train", "no", "is it red?"),
        ("test_0", "test", "blue", "what colour?"),
    ]
    assert [images[place(row.cells["image"])][0, 0].tolist() for row in rows] == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


@pytest.mark.parametrize(
    ("wrong", "reason"), [({"answer": "mauve"}, "'mauve', which easy-VQA does not know"), ({"picture": 7}, "test/7, which is not there")]
)
def test_easy_vqa_with_questions_that_do_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict, reason: str) -> None:
    path = vqa(tmp_path / "small.tar.gz", **wrong)
    monkeypatch.setattr(easy_vqa, "first", lambda files, mirror: (files[0], path))
    with pytest.raises(UserError, match=reason):
        easy_vqa.make(None, tmp_path)


def news(monkeypatch: pytest.MonkeyPatch, address: str, content: dict[str, bytes]) -> None:
    files = {
        split: _fetch.File(f"ag_news/{split}.csv", (f"{address}/{split}",), _fetch.Content(_fetch.md5, hashlib.md5(body).hexdigest()))
        for split, body in content.items()
    }
    monkeypatch.setattr(ag_news, "FILES", files)


def test_ag_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"train": b'"3","Up, ""up""","Shares\nrose \\ again"\n"1","None","NA"\n', "test": '"4","\u00dcber","null"\n'.encode()}
    ways = {split: lambda answer, visit, body=body: good(answer, visit, body) for split, body in content.items()}
    with serving(**ways) as (address, _):
        news(monkeypatch, address, content)
        ag_news.make(None, tmp_path)
    rows = list(stream(tmp_path / "manifest.csv", ["text"]))
    assert [(row.id, row.split, row.label, row.cells["text"]) for row in rows] == [
        ("train_000001", "train", "Business", 'Up, "up" Shares\nrose \\ again'),
        ("train_000002", "train", "World", "None NA"),
        ("test_000001", "test", "Sci/Tech", "\u00dcber null"),
    ]


@pytest.mark.parametrize("body", [b'"5","a","b"\n', b'"1","a"\n', b'"1","a","b","c"\n'])
def test_ag_news_in_another_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    with serving(train=lambda answer, visit: good(answer, visit, body)) as (address, _):
        news(monkeypatch, address, {"train": body})
        with pytest.raises(UserError, match=r"train.csv: row 1 is not a class from 1 to 4"):
            ag_news.make(None, tmp_path)


def test_fashion_mnists_files_are_those_of_torchvision() -> None:
    published = pytest.importorskip("torchvision.datasets").FashionMNIST
    assert dict(published.resources) == fashion_mnist.MD5
    assert [f"{address}/" for address in fashion_mnist.ADDRESSES[:1]] == published.mirrors
    assert {name: file.content.wanted for name, file in fashion_mnist.FILES.items()} == fashion_mnist.MD5
