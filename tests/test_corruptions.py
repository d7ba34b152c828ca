"""Every corruption keeps to the contract, and does what its name says."""

from typing import Any

import numpy as np
import pytest

from deconfuse.corruptions import Corruption
from deconfuse.kernel.lookup import names, part

ITEMS = 12
KEYS = [f"image/row-{place}" for place in range(ITEMS)]
KINDS = ("audio", "image", "text", "video")
every = pytest.mark.parametrize("name", names("corruptions"))


def made(name: str) -> Corruption:
    return part("corruptions", name)()


def values(kind: str) -> tuple[Any, np.ndarray | None]:
    """Items as `preprocess` leaves them, and their lengths."""
    draw = np.random.default_rng(3)
    if kind == "text":
        return [*("the quick brown fox jumps over it" for _ in range(ITEMS - 2)), "", None], None
    if kind == "audio":
        return draw.normal(0, 3000, (ITEMS, 400)).astype(np.int16), draw.integers(100, 401, ITEMS).astype(np.int32)
    if kind == "image":
        return draw.integers(0, 256, (ITEMS, 3, 16, 12), dtype=np.uint8), None
    return draw.integers(0, 256, (ITEMS, 8, 1, 6, 6), dtype=np.uint8), np.full(ITEMS, 8, np.int32)


def same(one: Any, other: Any) -> list[bool]:
    return [a is b if a is None or b is None else np.array_equal(a, b) for a, b in zip(one, other, strict=True)]


def test_each_kind_of_media_can_get_worse_and_has_one_chief_corruption() -> None:
    assert set(names("corruptions")) == {"audio_noise", "blur", "dropped_frames", "image_noise", "occlusion", "typos"}
    for kind in KINDS:
        assert [made(name).is_chief for name in names("corruptions") if kind in made(name).kinds].count(True) == 1


@every
def test_corrupted_values_are_like_the_clean_ones_which_stay(name: str) -> None:
    corruption = made(name)
    clean, length = values(corruption.kinds[0])
    before, _ = values(corruption.kinds[0])
    for level in (1e-3, 0.25, 1.0):
        worse = corruption(clean, length, KEYS, level)
        assert all(same(clean, before)), "changed in place"
        assert len(worse) == ITEMS
        if isinstance(clean, np.ndarray):
            assert isinstance(worse, np.ndarray) and (worse.shape, worse.dtype) == (clean.shape, clean.dtype)
        else:
            assert [type(text) for text in worse] == [type(text) for text in clean]
    assert sum(same(worse, clean)) <= 2, "an empty text and a missing one"


@every
def test_level_0_is_the_clean_value(name: str) -> None:
    corruption = made(name)
    clean, length = values(corruption.kinds[0])
    assert corruption(clean, length, KEYS, 0.0) is clean


@every
def test_the_luck_of_an_item_hangs_on_its_key_the_level_and_the_seed_alone(name: str) -> None:
    corruption = made(name)
    clean, length = values(corruption.kinds[0])

    def worse(at: list[int], level: float = 0.5, seed: int = 0, keys: list[str] = KEYS) -> Any:
        taken = clean[at] if isinstance(clean, np.ndarray) else [clean[place] for place in at]
        return corruption(taken, None if length is None else length[at], [keys[place] for place in at], level, seed)

    everything = list(range(ITEMS))
    whole = worse(everything)
    assert all(same(worse(everything), whole))
    some = [7, 2, 5]
    assert all(same(worse(some), [whole[place] for place in some]))
    if name == "blur":
        return
    other = [key.replace("image", "photo") for key in KEYS]
    for changed in (worse(everything, seed=1), worse(everything, keys=other)):
        assert sum(same(changed, whole)) < ITEMS / 2


@every
def test_worse_is_farther_from_the_clean_value(name: str) -> None:
    corruption = made(name)
    clean, length = values(corruption.kinds[0])

    def distance(level: float) -> float:
        worse = corruption(clean, length, KEYS, level)
        if corruption.kinds == ("text",):
            return float(
                np.mean([sum(a != b for a, b in zip(one, two, strict=False)) for one, two in zip(worse[:10], clean, strict=False)])
            )
        return float(np.mean([np.abs(one.astype(float) - two).mean() for one, two in zip(worse, clean, strict=True)]))

    apart = [distance(level) for level in (0.3, 0.6, 1.0)]
    assert 0 < apart[0] < apart[1] < apart[2]


# ---------------------------------------------------------------- what each does


def test_noise_in_pictures_has_the_standard_deviation_it_says() -> None:
    grey = np.full((1, 1, 100, 100), 128, np.uint8)
    noisy = made("image_noise")(grey, None, ["a"], 0.25).astype(float)
    assert noisy.std() == pytest.approx(32, rel=0.03) and noisy.mean() == pytest.approx(128, abs=1)


def test_noise_in_sounds_has_the_ratio_it_says_and_stays_within_the_sound() -> None:
    sound = np.zeros((1, 8000), np.int16)
    sound[0, :6000] = 4000 * np.sin(np.arange(6000) / 9)
    for level, decibels in ((0.5, 10), (0.75, 0), (1.0, -10)):
        noise = made("audio_noise")(sound, np.array([6000], np.int32), ["a"], level).astype(float) - sound
        assert not noise[0, 6000:].any()
        found = 10 * np.log10(np.square(sound[0, :6000], dtype=float).mean() / np.square(noise[0, :6000]).mean())
        assert found == pytest.approx(decibels, abs=0.2)
    silence = np.zeros((1, 100), np.int16)
    assert not made("audio_noise")(silence, np.array([100], np.int32), ["a"], 1.0).any()


def test_loud_sounds_are_cut_off_at_full_scale() -> None:
    loud = np.full((1, 4000), 32767, np.int16)
    noisy = made("audio_noise")(loud, np.array([4000], np.int32), ["a"], 1.0)
    assert noisy.max() == 32767 and noisy.min() == -32768


def test_blur_spreads_a_point_as_a_gaussian_and_leaves_an_even_picture() -> None:
    point = np.zeros((1, 1, 33, 33), np.uint8)
    point[0, 0, 16, 16] = 255
    spread = made("blur")(point, None, ["a"], 0.25)[0, 0].astype(float)
    deviation = 33 / 8 * 0.25
    expected = 255 * np.exp(-0.5 * ((np.mgrid[:33, :33] - 16) ** 2).sum(0) / deviation**2) / (2 * np.pi * deviation**2)
    assert np.abs(spread - expected).max() < 1
    even = np.full((1, 3, 9, 7), 77, np.uint8)
    assert np.array_equal(made("blur")(even, None, ["a"], 1.0), even)


def test_occlusion_covers_the_share_that_it_says() -> None:
    white = np.full((1, 3, 40, 30), 255, np.uint8)
    for level in (0.25, 0.5, 1.0):
        assert (made("occlusion")(white, None, ["a"], level) == 128).mean() == pytest.approx(level, abs=0.03)


def test_typos_hit_half_of_the_characters_at_most() -> None:
    text = ["x" * 4000]
    (typed,) = made("typos")(text, None, ["a"], 1.0)
    # a quarter of the hits is a letter that is another one but in 1 of 26 cases; exchanging equal ones changes nothing
    assert sum(letter != "x" for letter in typed) == pytest.approx(500, rel=0.15)
    assert len(typed) == pytest.approx(4000, abs=150)
    assert made("typos")(["ab"], None, ["a"], 1e-9) == ["ab"]


def test_lost_frames_show_the_last_one_that_came() -> None:
    clip = np.arange(1, 9, dtype=np.uint8).reshape(1, 8, 1, 1, 1)
    for key in "abcdef":
        shown = made("dropped_frames")(clip, np.array([6], np.int32), [key], 0.5)[0, :, 0, 0, 0]
        came = [place for place in range(6) if shown[place] == place + 1]
        assert len(came) == 3 and list(shown[6:]) == [7, 8]
        for place in range(6):
            assert shown[place] == max([0, *(other + 1 for other in came if other <= place)])
    assert not made("dropped_frames")(clip, np.array([8], np.int32), ["a"], 1.0).any()
