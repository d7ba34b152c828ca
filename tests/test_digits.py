"""The embedded data set: what it holds, and that its damage is the damage that params state."""

import csv
from collections import Counter
from itertools import product
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.random import default_rng
from PIL import Image
from sklearn.datasets import load_digits

from deconfuse.kernel.errors import UserError
from deconfuse.params.digits import Audio, Digits, Text, Video
from deconfuse.params.digits import Image as ImageDamage
from deconfuse.sources import digits
from deconfuse.sources._degrade import GREY, cover, drift, drown, mishear
from deconfuse.sources._split import Group, choose, divide

LIMIT = 90
MODALITIES = ["audio", "image", "text", "video"]


def manifest(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def packed(folder: Path, cell: str) -> np.ndarray:
    """The row of an array that a cell such as `sounds.npy#17@8000` names."""
    name, row = cell.split("@")[0].split("#")
    return np.load(folder / name)[int(row)]


def values(folder: Path, row: dict[str, str]) -> dict[str, bytes | None]:
    """Modality -> what a row's cell holds."""
    held = {name: packed(folder, row[name]).tobytes() if row[name] else None for name in ("audio", "image")}
    return {**held, "text": row["text"].encode(), "video": (folder / row["video"]).read_bytes() if row["video"] else None}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    digits.make(Digits(), folder)
    return folder


@pytest.fixture(scope="module")
def part(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("part")
    digits.make(Digits(), folder, LIMIT)
    return folder


def clip_table() -> list[dict[str, str]]:
    with (digits.SPEECH / "speech.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# ---- the speech in git


def test_no_voice_and_no_timbre_is_heard_in_two_splits() -> None:
    splits: dict[str, set[str]] = {}
    for row in clip_table():
        assert row["voice"] == f"{row['accent']}+{row['timbre']}"
        splits.setdefault(row["timbre"], set()).add(row["split"])
    assert len(splits) == 40
    assert all(len(found) == 1 for found in splits.values())


def test_every_voice_says_every_digit_once() -> None:
    said = Counter((row["voice"], row["digit"]) for row in clip_table())
    voices = {voice for voice, _ in said}
    assert said == Counter(product(voices, map(str, range(10))))


def test_clips_lie_in_the_sound_one_after_the_other_and_last_a_second_at_most() -> None:
    info = soundfile.info(digits.SPEECH / "speech.ogg")
    assert (info.samplerate, info.channels) == (8000, 1)
    end = 0
    for row in clip_table():
        start, length = int(row["offset"]), int(row["length"])
        assert start > end
        assert 500 < length <= 8000
        end = start + length
    assert end < info.frames


def test_the_clips_are_loud_and_silence_lies_between_them() -> None:
    sound, _ = soundfile.read(digits.SPEECH / "speech.ogg")
    for row in clip_table():
        start, end = int(row["offset"]), int(row["offset"]) + int(row["length"])
        assert np.abs(sound[start:end]).max() > 0.5
        # the codec rings a little into the silence, at worst 21 dB below the word
        assert np.mean(np.square(sound[start - 300 : start - 200])) < 0.01 * np.mean(np.square(sound[start:end]))


def test_the_data_in_git_stays_under_three_megabytes() -> None:
    assert sum(path.stat().st_size for path in digits.SPEECH.iterdir() if path.is_file()) < 3e6


def test_missing_speech_is_a_user_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "SPEECH", tmp_path)
    with pytest.raises(UserError, match="git checkout"):
        digits.read_speech()


# ---- the handwriting


def test_the_handwriting_is_what_scikit_learn_gives() -> None:
    scans, labels = digits.read_scans()
    assert np.array_equal(scans, load_digits().images * (255 / 16))
    assert np.array_equal(labels, load_digits().target)


def test_missing_handwriting_is_a_user_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="install scikit-learn"):
        digits.read_scans()


# ---- the rows


def test_each_of_the_1797_digits_is_one_row(whole: Path) -> None:
    rows = manifest(whole)
    assert [row["id"] for row in rows] == [f"d{number:04d}" for number in range(1797)]
    assert list(rows[0]) == ["line", "id", "split", "label", *MODALITIES]
    assert [row["label"] for row in rows[:10]] == list("0123456789")


def test_splits_have_their_shares_in_every_class(whole: Path) -> None:
    rows = manifest(whole)
    classes = Counter(row["label"] for row in rows)
    for (split, label), count in Counter((row["split"], row["label"]) for row in rows).items():
        assert abs(count - {"train": 0.6, "val": 0.15, "test": 0.25}[split] * classes[label]) <= 1


def test_cells_name_all_that_is_there(whole: Path) -> None:
    cells = {name: [row[name] for row in manifest(whole) if row[name]] for name in ("audio", "image", "video")}
    assert set(cells["video"]) == set(contents(whole)) - {"manifest.csv", "images.npy", "sounds.npy"}
    assert cells["image"] == [f"images.npy#{place}" for place in range(len(np.load(whole / "images.npy")))]
    assert cells["audio"] == [f"sounds.npy#{place}@8000" for place in range(len(np.load(whole / "sounds.npy")))]


def test_the_missing_share_is_as_stated(whole: Path) -> None:
    empty = np.array([[row[name] == "" for name in MODALITIES] for row in manifest(whole)])
    assert np.all(np.abs(empty.mean(axis=0) - 0.03) < 0.012)
    assert not empty.all(axis=1).any()


def test_a_row_keeps_a_cell_even_where_nearly_all_are_missing(tmp_path: Path) -> None:
    digits.make(Digits(missing=0.99), tmp_path, LIMIT)
    kept = [sum(row[name] != "" for name in MODALITIES) for row in manifest(tmp_path)]
    assert min(kept) == 1
    assert np.mean(kept) < 1.3


def test_media_have_their_shapes(part: Path) -> None:
    row = next(row for row in manifest(part) if all(row[name] for name in MODALITIES))
    picture, sound = packed(part, row["image"]), packed(part, row["audio"])
    assert (picture.dtype, picture.shape) == (np.uint8, (32, 32))
    assert (sound.dtype, sound.shape) == (np.int16, (8000,))
    assert read_film(part / row["video"]).shape == (8, 24, 24)


def test_what_is_said_of_the_source() -> None:
    assert digits.ABOUT["modalities"] == {name: {"kind": name} for name in MODALITIES}
    assert "10.24432/C50P49" in digits.ABOUT["citation"]


# ---- limit


@pytest.mark.parametrize("limit", [60, 90, 300, 1000])
def test_a_limit_keeps_two_of_each_group_and_the_shares(limit: int) -> None:
    groups = divide(load_digits().target, 0)
    rows = choose(groups, limit)
    assert len(rows) == limit
    counts = Counter(row.group for row in rows)
    for group, numbers in groups.items():
        assert counts[group] >= 2
        assert counts[group] == 2 or abs(counts[group] - limit / 1797 * len(numbers)) <= 2.5


def test_a_larger_limit_only_adds_rows() -> None:
    groups = divide(load_digits().target, 0)
    chosen = [set(choose(groups, limit)) for limit in (60, 61, 200, 1797, None)]
    assert chosen[0] < chosen[1] < chosen[2] < chosen[3] == chosen[4]


def test_a_limit_does_not_change_the_rows_that_stay(whole: Path, part: Path) -> None:
    all_rows = {row["id"]: row for row in manifest(whole)}
    for row in manifest(part):
        assert (row["split"], row["label"]) == (all_rows[row["id"]]["split"], all_rows[row["id"]]["label"])
        assert values(part, row) == values(whole, all_rows[row["id"]]), row["id"]


# ---- draws


def test_equal_options_give_equal_bytes(part: Path, tmp_path: Path) -> None:
    digits.make(Digits(), tmp_path, LIMIT)
    assert contents(tmp_path) == contents(part)


def test_another_seed_gives_other_rows(part: Path, tmp_path: Path) -> None:
    digits.make(Digits(seed=1), tmp_path, LIMIT)
    assert {row["id"] for row in manifest(tmp_path)} != {row["id"] for row in manifest(part)}


@pytest.mark.parametrize(
    ("changed", "options"),
    [
        ("audio", Digits(audio=Audio(snr=3))),
        ("image", Digits(image=ImageDamage(covered=0.2))),
        ("text", Digits(text=Text(dropped=0.9))),
        ("video", Digits(video=Video(noise=5))),
    ],
)
def test_the_damage_to_one_modality_leaves_the_others(changed: str, options: Digits, part: Path, tmp_path: Path) -> None:
    digits.make(options, tmp_path, LIMIT)
    before, after = contents(part), contents(tmp_path)
    of_file = {"images.npy": "image", "sounds.npy": "audio"}
    differing = {of_file.get(name, name.split("/")[0]) for name in before if name != "manifest.csv" and before[name] != after[name]}
    assert differing == ({changed} if changed != "text" else set())
    cells = zip(manifest(part), manifest(tmp_path), strict=True)
    assert {name for old, new in cells for name in old if old[name] != new[name]} == ({"text"} if changed == "text" else set())


def test_a_clean_image_is_the_digit_of_its_row(tmp_path: Path) -> None:
    digits.make(Digits(image=ImageDamage(covered=0), missing=0), tmp_path, LIMIT)
    scans = load_digits()
    for row in manifest(tmp_path):
        number = int(row["id"][1:])
        small = Image.fromarray(packed(tmp_path, row["image"])).resize((8, 8), Image.Resampling.BOX)
        assert np.corrcoef(np.asarray(small).ravel(), scans.images[number].ravel())[0, 1] > 0.95
        assert int(row["label"]) == scans.target[number]


def test_the_film_shows_another_digit_of_the_same_class_and_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = load_digits()
    pairs = {group: numbers[:2] for group, numbers in divide(scans.target, 0).items()}
    # with two rows in a group, each must be filmed with the other
    monkeypatch.setattr(digits, "divide", lambda *_: pairs)
    digits.make(Digits(video=Video(noise=0), missing=0), tmp_path)
    pictures = {number: digits.enlarge(scans.images[number] * (255 / 16), 16) for pair in pairs.values() for number in pair}
    for row in manifest(tmp_path):
        frame = read_film(tmp_path / row["video"])[0].astype(float)
        filmed = max(pictures, key=lambda number: best_match(frame, pictures[number]))
        assert {filmed, int(row["id"][1:])} == set(pairs[Group(row["split"], int(row["label"]))])


def best_match(frame: np.ndarray, picture: np.ndarray) -> float:
    """Highest negative mean squared difference of a picture and a frame over all places in the frame."""
    windows = np.lib.stride_tricks.sliding_window_view(frame, picture.shape)
    return -float(np.square(windows - picture).mean(axis=(2, 3)).min())


# ---- the damage is as stated


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_covered_share_is_as_stated(share: float) -> None:
    shares = [np.mean(cover(np.zeros((32, 32), np.uint8), share, default_rng(seed)) == GREY) for seed in range(200)]
    assert np.mean(shares) == pytest.approx(share, abs=0.01)
    assert np.abs(np.array(shares) - share).max() <= 0.5 / 32 + 1e-9


def test_the_patch_is_one_rectangle_that_reaches_every_pixel() -> None:
    patches = np.stack([cover(np.zeros((32, 32), np.uint8), 0.3, default_rng(seed)) == GREY for seed in range(300)])
    for patch in patches:
        rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
        assert patch.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
    assert patches.any(axis=0).all()


@pytest.mark.parametrize("snr", [-10.0, 0.0, 20.0])
def test_the_noise_is_as_loud_as_stated(snr: float, tmp_path: Path) -> None:
    digits.make(Digits(audio=Audio(snr=snr), missing=0), tmp_path / "noisy", 60)
    digits.make(Digits(audio=Audio(snr=100), missing=0), tmp_path / "clean", 60)
    measured = []
    for row in manifest(tmp_path / "noisy"):
        noisy, clean = (packed(tmp_path / name, row["audio"]) / 32768 for name in ("noisy", "clean"))
        word = np.flatnonzero(np.abs(clean) > 0.01)
        clip = clean[word[0] : word[-1] + 1]
        # the clean word's part of the noisy sound, by least squares: what is left is noise
        speech = clean * (noisy @ clean) / (clean @ clean)
        power = np.mean(np.square(clip)) * (speech @ speech) / (clean @ clean)
        measured.append(10 * np.log10(power / np.mean(np.square(noisy - speech))))
    assert np.mean(measured) == pytest.approx(snr, abs=0.3)
    assert np.std(measured) < 1


def test_a_word_lies_anywhere_in_its_window() -> None:
    starts = [np.flatnonzero(np.abs(drown(np.ones(2000), 8000, 100, default_rng(seed))) > 0.5)[0] for seed in range(300)]
    assert min(starts) < 300
    assert max(starts) > 5700


def test_letters_are_dropped_replaced_and_swapped_as_often_as_stated() -> None:
    word = "abcdefghijklmnopqrst"
    dropped, replaced = ([mishear(word, *odds, 0, default_rng(seed)) for seed in range(500)] for odds in ((0.3, 0), (0, 0.25)))
    assert np.mean([1 - len(heard) / 20 for heard in dropped]) == pytest.approx(0.3, abs=0.02)
    assert np.mean([a != b for heard in replaced for a, b in zip(word, heard, strict=True)]) == pytest.approx(0.25, abs=0.02)
    swapped = [mishear("ab", 0, 0, 0.2, default_rng(seed)) for seed in range(2000)]
    assert swapped.count("ba") / 2000 == pytest.approx(0.2, abs=0.03)


def test_the_recogniser_never_hears_nothing() -> None:
    heard = {mishear("six", 1, 0, 0, default_rng(seed)) for seed in range(50)}
    assert heard == {"s", "i", "x"}


def test_no_damage_is_no_change() -> None:
    assert mishear("seven", 0, 0, 0, default_rng(0)) == "seven"
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert np.array_equal(cover(picture, 0, default_rng(0)), picture)


def test_the_noise_on_a_film_is_as_stated() -> None:
    # on middle grey and with a small deviation nothing is clipped
    film = drift(np.full((24, 24), 128, np.uint8), 8, 24, 20, default_rng(0))
    assert film.std() == pytest.approx(20, rel=0.05)
    assert film.mean() == pytest.approx(128, abs=1)


def test_a_digit_drifts_straight_and_stays_in_the_field() -> None:
    picture = np.full((16, 16), 200, np.uint8)
    for seed in range(50):
        film = drift(picture, 8, 24, 0, default_rng(seed))
        assert (film.sum(axis=(1, 2)) == 200 * 256).all()
        tops = [np.flatnonzero(frame.any(axis=1))[0] for frame in film]
        assert len(set(np.sign(np.diff(tops))) - {0}) <= 1


def test_a_film_is_written_almost_without_loss(tmp_path: Path) -> None:
    film = drift(np.full((16, 16), 200, np.uint8), 8, 24, 160, default_rng(0))
    digits.write_film(tmp_path / "film.mp4", film)
    assert np.abs(read_film(tmp_path / "film.mp4").astype(int) - film).mean() < 4


def read_film(path: Path) -> np.ndarray:
    with av.open(path) as file:
        return np.stack([frame.to_ndarray(format="gray") for frame in file.decode(video=0)])
