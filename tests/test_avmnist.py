"""AV-MNIST: the pairs are those of the set, the damage is as much as asked for, and a row depends on the seed alone."""

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.random import default_rng
from public import DATA, needs, of

from deconfuse.kernel.errors import UserError
from deconfuse.params.avmnist import Avmnist
from deconfuse.sources import _fsdd, _idx, avmnist, mnist

MANIFEST = "87a29e8694544dd54988292c4e437c50059c194c2bc0cc89f836b017511f61cc"
IMAGES, SOUNDS = 128.038, 5872.24
"""What the default params give for a limit of 250."""


def paired(function: Callable) -> Callable:
    """A test that needs MNIST and the spoken digits."""
    return needs("mnist")(needs("fsdd")(function))


@pytest.fixture(scope="module")
def pairs() -> list[avmnist.Pair]:
    labels = np.concatenate([labels for _, labels in _idx.arrays(mnist.FILES, str(DATA)).values()])
    return avmnist.paired(labels, _fsdd.read(str(DATA)), 0)


@paired
def test_avmnist_pairs_are_those_of_the_set(pairs: list[avmnist.Pair]) -> None:
    avmnist.check(pairs, 0)
    assert Counter(pair.split for pair in pairs) == {"train": 55_000, "val": 5_000, "test": 10_000}
    assert all(pair.recording.name.startswith(f"{pair.label}_") for pair in pairs)
    assert {(pair.split, pair.recording.speaker) for pair in pairs} == {
        (split, one) for split, all_of in avmnist.SPEAKERS.items() for one in all_of
    }
    with pytest.raises(UserError, match="draws other pairs"):
        avmnist.check(pairs[1:], 0)
    avmnist.check(pairs[1:], 1)


@paired
def test_avmnist_as_made(tmp_path: Path, pairs: list[avmnist.Pair]) -> None:
    _, rows = of("avmnist", tmp_path / "a", 250, Avmnist())
    images, sounds = np.load(tmp_path / "a/images.npy"), np.load(tmp_path / "a/sounds.npy")
    assert (images.shape, images.dtype, sounds.shape, sounds.dtype) == ((250, 28, 28), np.uint8, (250, 8000), np.int16)
    assert [row.cells for row in rows] == [{"audio": f"sounds.npy#{n}@8000", "image": f"images.npy#{n}"} for n in range(250)]
    for row in rows:
        pair = pairs[row.line - 1]
        assert (row.id, row.split, row.label) == (f"av{row.line - 1:05d}", pair.split, str(pair.label))
        assert row.others == {"speaker": pair.recording.speaker, "recording": pair.recording.name}
    assert hashlib.sha256((tmp_path / "a/manifest.csv").read_bytes()).hexdigest() == MANIFEST
    # sums of floats differ in the last place from machine to machine
    assert images.mean() == pytest.approx(IMAGES, abs=0.01)
    assert np.abs(sounds.astype(float)).mean() == pytest.approx(SOUNDS, rel=1e-4)


@paired
def test_a_row_of_avmnist_depends_on_the_seed_alone(tmp_path: Path) -> None:
    rows = {}
    for limit in (45, 90):
        _, made = of("avmnist", tmp_path / str(limit), limit, Avmnist())
        images, sounds = np.load(tmp_path / f"{limit}/images.npy"), np.load(tmp_path / f"{limit}/sounds.npy")
        rows[limit] = {row.id: (image.tobytes(), sound.tobytes()) for row, image, sound in zip(made, images, sounds, strict=True)}
    assert len(rows[45]) == 45
    assert all(rows[90][key] == value for key, value in rows[45].items())


def test_another_seed_is_other_noise() -> None:
    pair = avmnist.Pair(5, "train", 1, _fsdd.Recording("1_theo_0", default_rng(1).normal(0, 0.1, 3000)))
    one, two = avmnist.spoken(pair, Avmnist(seed=1)), avmnist.spoken(pair, Avmnist(seed=2))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.9
    np.testing.assert_array_equal(one, avmnist.spoken(pair, Avmnist(seed=1)))


@paired
def test_avmnist_unspoiled_is_mnist_and_speech(tmp_path: Path, pairs: list[avmnist.Pair]) -> None:
    _, rows = of("avmnist", tmp_path / "a", 60, Avmnist(components=None, snr=100))
    pictures = np.concatenate([pictures for pictures, _ in _idx.arrays(mnist.FILES, str(DATA)).values()])
    np.testing.assert_array_equal(np.load(tmp_path / "a/images.npy"), pictures[[row.line - 1 for row in rows]])
    for row, sound in zip(rows, np.load(tmp_path / "a/sounds.npy").astype(float), strict=True):
        word = pairs[row.line - 1].recording.sound[:8000]
        heard = np.correlate(sound, word, "valid").max() / np.linalg.norm(word)
        assert heard == pytest.approx(np.linalg.norm(sound), rel=0.01)


@pytest.mark.parametrize("snr", [-12.0, 6.0])
def test_the_noise_is_as_loud_as_asked(snr: float) -> None:
    word = default_rng(1).normal(0, 0.1, 3000)
    pair = avmnist.Pair(5, "train", 1, _fsdd.Recording("1_theo_0", word))
    sound = avmnist.spoken(pair, Avmnist(snr=snr)) / 32767
    start = int(np.correlate(sound, word, "valid").argmax())
    scale = sound[start : start + 3000] @ word / (word @ word)
    noise = sound.copy()
    noise[start : start + 3000] -= scale * word
    assert 10 * np.log10(np.mean((scale * word) ** 2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.5)
    assert np.abs(sound).max() == pytest.approx(0.9, abs=1e-3)


def test_a_word_longer_than_a_second_is_cut() -> None:
    pair = avmnist.Pair(5, "train", 1, _fsdd.Recording("1_theo_0", default_rng(1).normal(0, 0.1, 20_000)))
    assert avmnist.spoken(pair, Avmnist()).shape == (8000,)


def test_only_so_many_components_of_the_train_split_are_left() -> None:
    # a planted truth: pictures on a plane of two directions around a mean, and little noise
    draw = default_rng(0)
    axes, _ = np.linalg.qr(draw.normal(size=(36, 2)))
    pictures = np.clip(100 + draw.normal(0, [60, 40], (500, 2)) @ axes.T + draw.normal(0, 1, (500, 36)), 0, 255).round()
    flat = pictures - pictures[:400].mean(0)
    reduce = avmnist.reduced(pictures[:400].astype(np.uint8).reshape(-1, 6, 6), 2)
    left = reduce(pictures.astype(np.uint8).reshape(-1, 6, 6)).reshape(500, 36)
    np.testing.assert_allclose(left, 128 + flat @ axes @ axes.T / 2, atol=2)
    assert left[:400].mean() == pytest.approx(128, abs=0.1)
    # what lies outside the plane is gone but for rounding
    outside = (left - 128.0) - (left - 128.0) @ axes @ axes.T
    assert outside.std() < 0.4
