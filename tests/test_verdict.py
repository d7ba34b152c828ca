"""What stops a run and what is warned of, on data sets whose faults are planted."""

import gzip
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import part
from deconfuse.media.image import decode, look
from deconfuse.params.preprocess import Image as ImageOptions
from deconfuse.verdict import stop, warnings
from deconfuse.verdict.contents import Contents
from deconfuse.verdict.duplicates import leaking
from deconfuse.verdict.findings import Finding
from deconfuse.verdict.near_duplicates import BITS, DETAIL, NEAR, near

DATA = Path(os.environ.get("DECONFUSE_DATA") or Path(__file__).parents[1] / ".." / "shared" / "data")
CLASSES = part("tasks", "single_label")()
NUMBERS = part("tasks", "regression")()
SEVERAL = part("tasks", "multi_label")()


def digest(content: str) -> bytes | None:
    """16 bytes of its own for each content; "" is a missing cell."""
    return content.encode().rjust(16, b"-") if content else None


def contents(
    splits: str, labels: list[str] | None = None, looks: dict[str, list[bytes]] | None = None, **cells: str | list[str]
) -> Contents:
    """Rows r0, r1 ...: a letter of `splits` each (t, v, e for train, val, test), and of each modality (a space is a missing cell)."""
    named = [{"t": "train", "v": "val", "e": "test"}[letter] for letter in splits]
    kinds = {name: name.rstrip("0123456789") for name in cells}
    digests = {name: [digest(cell.strip()) for cell in values] for name, values in cells.items()}
    ids = [f"r{place}" for place in range(len(splits))]
    return Contents(ids, named, labels or ["ab"[place % 2] for place in range(len(splits))], kinds, digests, looks or {})


def found(code: str, of: Contents, task: Any = CLASSES, policy: Any = "keep") -> list[Finding]:
    return [one for one in warnings(of, task, policy) if one.code == code]


# ---------------------------------------------------------------- stops


@pytest.mark.parametrize(
    ("task", "labels", "splits", "says"),
    [
        (CLASSES, "", "", "no row that can be used"),
        (CLASSES, "abab", "vvee", "no row is in the split 'train' (rows: 0 in train, 2 in val, 2 in test)"),
        (CLASSES, "aaaa", "ttve", "all rows have the label 'a'"),
        (CLASSES, "ababcc", "ttveve", "no training row has the label c"),
        (CLASSES, "ababc", "ttvet", "fewer than 2 rows have the label 'c'"),
        (CLASSES, "ababcdefghijklm", "ttvettttttttttt", "'k', 'l' and 1 more"),
        (CLASSES, "abab", "ttee", "no usable row is in the split 'val' (rows: 2 in train, 0 in val, 2 in test)"),
        (CLASSES, "abab", "ttvv", "no usable row is in the split 'test'"),
        (part("tasks", "binary")(), "abcabc", "tttvve", "there are 3 labels"),
        (NUMBERS, "1112", "ttve", "standard deviation 0"),
    ],
)
def test_what_stops_a_run(task: Any, labels: str, splits: str, says: str) -> None:
    named = [{"t": "train", "v": "val", "e": "test"}[letter] for letter in splits]
    with pytest.raises(UserError) as error:
        stop(list(labels), named, task)
    assert says in str(error.value)


def test_what_does_not_stop_a_run() -> None:
    stop(list("abab"), ["train", "train", "val", "test"], CLASSES)
    stop(["1", "2", "9", "7"], ["train", "train", "val", "test"], NUMBERS)
    stop(["a;b", "b", "a", "b;a"], ["train", "train", "val", "test"], SEVERAL)
    with pytest.raises(UserError, match="fewer than 2 rows have the label 'c'"):
        stop(["a;b", "b;c", "a", "b;a"], ["train", "train", "val", "test"], SEVERAL)


# ---------------------------------------------------------------- leaks


def test_the_same_media_in_two_splits() -> None:
    #                 0123456789
    one = contents("tttttvveee", image="abcdefgaah", audio="qrstuvwxyu")
    leaks = found("leak", one)
    assert [(leak.rows, leak.text.split(";")[0]) for leak in leaks] == [
        (2, "the same image is in train and test: 2 of 3 test rows (e.g. 'r7', 'r8')"),
        (1, "the same audio is in train and test: 1 of 3 test rows (e.g. 'r9')"),
    ]
    assert "preprocess.leaks to drop" in leaks[0].text
    assert leaking(one, "drop").nonzero()[0].tolist() == [0, 4]
    assert not leaking(one, "keep").any()
    with pytest.raises(UserError) as error:
        leaking(one, "error")
    assert "image of 1 train and 2 test rows; audio of 1 train and 1 test rows" in str(error.value)
    assert "image: 'r7' of test is 'r0' of train\n  image: 'r8' of test is 'r0' of train\n" in str(error.value)
    two = contents("ttee", image="abba")
    with pytest.raises(UserError, match="'r2' of test is 'r1' of train\n  image: 'r3' of test is 'r0' of train"):
        leaking(two, "error")
    # what is left out is not held against the rest
    assert found("conflict", contents("te", image="cc")) and not found("conflict", contents("te", image="cc"), policy="drop")
    dropped = found("leak", one, policy="drop")
    assert [leak.rows for leak in dropped] == [2, 1] and "left out of train and val are 2 rows" in dropped[0].text


def test_train_gives_way_to_val_and_val_to_test() -> None:
    three = contents("tttvvvee", image="abcadeef")
    assert leaking(three, "drop").nonzero()[0].tolist() == [0, 5]
    assert [leak.text.split(":")[0] for leak in found("leak", three)] == [
        "the same image is in train and val",
        "the same image is in val and test",
    ]


def test_text_leaks_only_where_it_is_all_there_is() -> None:
    # rows 0 and 3 ask the same of two pictures; 1 and 4 are nothing but their text
    one = contents("tttee", image="a  b ", text="qrsqr")
    assert leaking(one, "drop").nonzero()[0].tolist() == [1]
    assert [leak.text.split(":")[0] for leak in found("leak", one)] == ["the same text of rows that have nothing else is in train and test"]
    (mild,) = found("shared_text", one)
    assert mild.rows == 1 and "1 of 2 test rows (e.g. 'r3')" in mild.text and "questions" in mild.text
    # of two texts both must be equal
    two = contents("ttee", text1="aabb", text2="xyxy")
    assert not leaking(two, "drop").any() and not found("shared_text", two)
    assert leaking(contents("ttee", text1="aaba", text2="xyxy"), "drop").nonzero()[0].tolist() == [1]


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.tuples(st.sampled_from("tve"), st.sampled_from(" abcdef"), st.sampled_from(" xyz")), min_size=1, max_size=25))
def test_leaks_are_those_of_a_plain_search(rows: list[tuple[str, str, str]]) -> None:
    splits, images, texts = ("".join(column) for column in zip(*rows, strict=True))
    one = contents(splits, image=images, text=texts)
    after = {"t": "ve", "v": "e", "e": ""}

    def leaks(row: tuple[str, str, str], other: tuple[str, str, str]) -> bool:
        same = row[1] == other[1] and (row[1] != " " or row[2] == other[2])
        return same and other[0] in after[row[0]]

    expected = [any(leaks(row, other) for other in rows) for row in rows]
    assert leaking(one, "drop").tolist() == expected
    assert not any(leaking(one.kept(~leaking(one, "drop")), "drop"))
    for finding in warnings(one, CLASSES, "drop"):
        assert finding.rows >= 0 and finding.text


# ---------------------------------------------------------------- pictures that look alike


def scene(seed: int, size: int = 200) -> Image.Image:
    """A picture of its own with many details."""
    random = np.random.default_rng(seed)
    picture = Image.fromarray(random.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(25):
        (left, top), (width, height) = random.integers(0, size, 2), random.integers(size // 20, size // 3, 2)
        draw.ellipse((left, top, left + width, top + height), fill=tuple(random.integers(0, 255, 3).tolist()))
    return picture


def stored(picture: Image.Image, path: Path, **how: Any) -> tuple[bytes, bytes]:
    picture.save(path, **how)
    cell = decode(path.name, path.parent, ImageOptions())
    return cell.digest, cell.look


def test_copies_are_found_and_other_pictures_are_not(tmp_path: Path) -> None:
    n = 60
    originals = [stored(scene(seed), tmp_path / f"{seed}.png") for seed in range(n)]
    others = [stored(scene(1000 + seed), tmp_path / f"o{seed}.png") for seed in range(n)]
    copies = []
    for seed in range(n):
        picture = scene(seed)
        changed = [picture, picture.resize((97, 97)), picture.resize((301, 320)), ImageEnhance.Brightness(picture).enhance(1.1)][seed % 4]
        copies.append(stored(changed, tmp_path / f"c{seed}.jpg", quality=80))
    cells = [*originals, *others, *copies]
    splits = ["train"] * n + ["test"] * (2 * n)
    one = Contents(
        [f"r{place}" for place in range(3 * n)],
        splits,
        ["a", "b"] * (3 * n // 2),
        {"image": "image"},
        {"image": [digest for digest, _ in cells]},
        {"image": [look for _, look in cells]},
    )
    assert not found("leak", one)
    (alike,) = found("near_duplicate", one)
    assert f"image: {alike.rows} pictures of test look like one of train, e.g. 'r" in alike.text
    looks = one.looks_of("image")
    twin, complete = near(looks[n:], looks[:n])
    assert complete and (twin[:n] == -1).all()
    hits = np.flatnonzero(twin[n:] >= 0)
    assert (twin[n:][hits] == hits).all(), "a copy is named with its own original"
    assert alike.rows == len(hits) >= 0.7 * n


def test_equal_pictures_are_leaks_and_no_near_duplicates() -> None:
    detailed = bytes(range(32))
    assert DETAIL <= np.unpackbits(np.frombuffer(detailed, np.uint8)).sum() <= BITS - DETAIL
    same = contents("te", image="aa", looks={"image": [detailed, detailed]})
    assert found("leak", same) and not found("near_duplicate", same)
    stored_again = contents("te", image="ab", looks={"image": [detailed, detailed]})
    assert not found("leak", stored_again) and found("near_duplicate", stored_again)
    # without detail, or without a look, nothing is said
    assert not found("near_duplicate", contents("te", image="ab", looks={"image": [b"\xff" * 31 + b"\xfe"] * 2}))
    assert not found("near_duplicate", contents("te", image="ab", looks={"image": [bytes(31) + b"\1"] * 2}))
    assert not found("near_duplicate", contents("te", image="ab", looks={"image": [b"", b""]}))


def test_near_is_a_distance_of_all_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    bits = random.integers(0, 2, (300, BITS), np.uint8)
    changed = bits.copy()
    for row, count in enumerate(random.integers(0, 2 * NEAR, 300)):
        changed[row, random.choice(BITS, count, replace=False)] ^= 1
    shuffled = random.permutation(300)
    looks, others = (np.packbits(one, axis=1).view(np.uint64) for one in (bits, changed[shuffled]))
    expected = np.where((bits != changed).sum(1) <= NEAR, np.argsort(shuffled), -1)
    twin, complete = near(looks, others)
    assert complete and twin.tolist() == expected.tolist()
    # nor does it matter how many are compared at a time
    monkeypatch.setattr("deconfuse.verdict.near_duplicates.CHUNK_PAIRS", 1000)
    assert near(looks, others)[0].tolist() == expected.tolist()
    # of too many pictures only equal hashes are found, and that is said
    monkeypatch.setattr("deconfuse.verdict.near_duplicates.MOST_PAIRS", 1000)
    twin, complete = near(looks, others)
    assert not complete and twin.tolist() == np.where((bits == changed).all(1), expected, -1).tolist()
    assert near(looks[:0], others)[0].shape == (0,) and (near(looks, others[:0])[0] == -1).all()


def test_drawings_of_few_details_are_not_taken_for_copies() -> None:
    """Real ones: handwritten digits and plain shapes, of which no two are copies."""
    mnist, shapes = DATA / "mnist" / "t10k-images-idx3-ubyte.gz", sorted((DATA / "easy_vqa" / "images").glob("*.png"))
    if not (mnist.exists() and shapes):
        pytest.skip(f"needs mnist and easy_vqa in {DATA}")
    digits = np.frombuffer(gzip.decompress(mnist.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)[:2000]
    for pictures in ([Image.fromarray(digit) for digit in digits], [Image.open(path).convert("RGB") for path in shapes[:600]]):
        looks = np.frombuffer(b"".join(look(picture) or bytes(32) for picture in pictures), np.uint64).reshape(-1, 4)
        half = len(looks) // 2
        assert (near(looks[:half], looks[half:])[0] >= 0).mean() < 0.001


# ---------------------------------------------------------------- everything else


def test_conflicting_labels_of_the_same_content() -> None:
    one = contents("ttttve", list("abaaba"), image="ccaadd", text="xxyyzz")
    (conflict,) = found("conflict", one)
    assert conflict.rows == 4 and conflict.text.startswith(
        "4 rows have the same content as another row but a different label (e.g. 'r0', 'r1', 'r4')"
    )
    # another text is another content; and so is a missing one
    assert not found("conflict", contents("ttve", list("abab"), image="aaaa", text="xyz "))
    # the order of several labels makes no difference
    assert not found("conflict", contents("tt", ["a;b", "b; a"], image="cc"), SEVERAL)
    assert found("conflict", contents("tt", ["a;b", "b"], image="cc"), SEVERAL)
    assert found("conflict", contents("tt", ["1", "2.5"], image="cc"), NUMBERS)


def test_columns_that_say_nothing() -> None:
    (one,) = found("constant", contents("ttve", image="abcd", text="xx x"))
    assert one.rows == 3 and one.text.startswith("text is the same in all 3 rows that have it")
    assert not found("constant", contents("tt", image="a ")) and not found("constant", contents("ttve", image="aaab"))


def test_the_label_in_other_words() -> None:
    told = contents("t" * 20 + "vvee", text=list("12" * 12), image=[f"p{place}" for place in range(24)])
    (one,) = found("disguise", told)
    assert one.rows == 24 and one.text.startswith("text has only 2 different contents in 24 rows")
    assert not found("disguise", contents("t" * 20 + "vvee", text=list("12" * 11 + "21")))
    assert not found("disguise", contents("ttvvee", text=list("121212"))), "so few rows may agree by chance"


def test_labels_that_differ_in_spelling_alone() -> None:
    (one,) = found("spelling", contents("tttvve", ["Cat", "cat", "dog", "hot dog", "hot_dog", "cat"], text=list("123456")))
    assert "'Cat' and 'cat'; 'hot dog' and 'hot_dog'" in one.text and one.rows == 5
    assert not found("spelling", contents("ttve", ["+", "-", "1", "2"], text=list("1234")))


def test_imbalance_of_the_training_rows() -> None:
    (one,) = found(
        "imbalance", contents("t" * 22 + "e" * 50, ["a"] * 20 + ["b"] * 2 + ["b"] * 50, image=[f"{place}" for place in range(72)])
    )
    assert one.rows == 2 and one.text.startswith("of the training rows 20 have the label 'a' and 2 'b'")
    assert not found("imbalance", contents("t" * 21, ["a"] * 19 + ["b"] * 2, image="a" * 21))
    assert not found("imbalance", contents("t" * 21, ["1"] * 20 + ["2"], image="a" * 21), NUMBERS)
    assert found("imbalance", contents("t" * 11, ["a;b"] + ["a"] * 10, image="a" * 11), SEVERAL)


def test_modalities_that_rows_lack() -> None:
    one = contents("ttttvvee", image="abcdefgh", audio="ab c    ", text="   xy  z", video="    kl n")
    assert [
        (warning.code, warning.rows) for warning in warnings(one, CLASSES, "keep") if warning.code in {"untrained", "absent", "missing"}
    ] == [
        ("absent", 5),
        ("missing", 5),
        ("missing", 5),
        ("untrained", 5),
    ]
    assert found("absent", one)[0].text.startswith("no row of val or test has audio")
    assert found("missing", one)[1].text.startswith("text is missing in 5 of 8 rows (62%)")
    assert found("untrained", one)[0].text.startswith("no row of train has video")
    assert not found("missing", contents("ttve", image="abcd", text="a  b"))


def test_rows_that_repeat_others_of_their_split() -> None:
    (one,) = found("duplicate", contents("tttvve", image="aaabca", text="xxyzzx"))
    assert one.rows == 1 and "'r1'" in one.text


def test_a_clean_data_set_has_no_warning() -> None:
    assert warnings(contents("ttttvvee", image="abcdefgh", text="qrstuvwx"), CLASSES, "keep") == []


def test_many_rows_take_seconds() -> None:
    n = 30_000
    random = np.random.default_rng(0)
    splits = random.choice(["train", "val", "test"], n, p=[0.6, 0.15, 0.25]).tolist()
    raw, hashes = random.bytes(16 * n), random.bytes(32 * n)
    media = [raw[place : place + 16] for place in range(0, 16 * n, 16)]
    text = [digest(str(number)) for number in random.integers(0, 1000, n)]
    media[7], media[8] = media[9], None
    one = Contents(
        [str(place) for place in range(n)],
        splits,
        random.choice(list("abcdefghij"), n).tolist(),
        {"sound": "audio", "text": "text", "image": "image"},
        {"sound": media, "text": text, "image": media},
        {"image": [hashes[place : place + 32] for place in range(0, 32 * n, 32)]},
    )
    start = time.process_time()
    codes = {warning.code for warning in warnings(one, CLASSES, "keep")}
    assert "shared_text" in codes and "near_duplicate" not in codes
    assert time.process_time() - start < 10
