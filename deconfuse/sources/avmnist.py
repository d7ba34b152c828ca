"""AV-MNIST, rebuilt: handwritten digits of MNIST, each paired with a spoken digit of the Free Spoken Digit Dataset.

The published set (Vielzeuf et al. 2018) is not to be had any more, so this one follows its description: 55,000 pictures are train, the last
5,000 of MNIST's training file val, MNIST's 10,000 test. No speaker is in two splits. A picture keeps `components` principal components of
the train split, mean removed, so that a model of pictures alone cannot be sure; white noise does the same to the sounds. A row depends on
the seed alone: a limit changes none. Addresses and hashes: `mnist.py` and `_fsdd.py`.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.random import default_rng

from deconfuse.arrays import Growing
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.progress import progress
from deconfuse.limiting import spread
from deconfuse.manifest import Row, writing
from deconfuse.params.avmnist import Avmnist
from deconfuse.sources import _fsdd, _idx, mnist
from deconfuse.sources._degrade import drown

SPEAKERS = {"train": ("george", "jackson", "nicolas", "theo"), "val": ("lucas",), "test": ("yweweler",)}
TRAIN, VAL = 60_000, 5_000
PAIRS = "b719560c2ec45f700e2017f70432fa8c4bb91e2b6d9e1a93e422a4ec58515890"
"""SHA-256 of the pairs of the default seed."""
CHUNK = 500
ABOUT = {
    "name": "avmnist",
    "title": "AV-MNIST, rebuilt: MNIST with the Free Spoken Digit Dataset",
    "licence": f"pictures {mnist.ABOUT['licence']}; sounds CC BY-SA 4.0",
    "citation": "Vielzeuf, V., Lechervy, A., Pateux, S. & Jurie, F. (2018). CentralNet: a multilayer approach for multimodal fusion. "
    f"ECCV Workshops. https://arxiv.org/abs/1808.07275; {mnist.ABOUT['citation']}; {_fsdd.CITATION}",
    "modalities": {"audio": {"kind": "audio"}, "image": {"kind": "image"}},
}
Array = np.ndarray


class Pair(NamedTuple):
    """One row: a picture by its number in MNIST (train file first), and what is spoken with it."""

    picture: int
    split: str
    label: int
    recording: _fsdd.Recording


def make(options: Avmnist, folder: Path, limit: int | None = None, mirror: str | None = None) -> dict[str, Any]:
    """Write manifest, `images.npy` uint8 (N, 28, 28) and `sounds.npy` int16 (N, 8000).

    Raises UserError where a part cannot be had, or where numpy draws other pairs from the default seed than those of this set.
    """
    found = _idx.arrays(mnist.FILES, mirror)
    pictures = np.concatenate([found[split][0] for split in found])
    labels = np.concatenate([found[split][1] for split in found])
    pairs = paired(labels, _fsdd.read(mirror), options.seed)
    check(pairs, options.seed)
    kept = [pairs[place] for place in spread([(pair.split, str(pair.label)) for pair in pairs], limit)]
    reduce = reduced(pictures[: TRAIN - VAL], options.components)
    with (
        writing(folder / "manifest.csv", ["audio", "image"], ["speaker", "recording"]) as manifest,
        Growing(folder / "images.npy", pictures.shape[1:], "uint8") as images,
        Growing(folder / "sounds.npy", (_fsdd.RATE,), "int16") as sounds,
    ):
        for start in progress(range(0, len(kept), CHUNK), "pairs", unit="chunk"):
            chunk = kept[start : start + CHUNK]
            images.append(reduce(pictures[[pair.picture for pair in chunk]]))
            sounds.append(np.stack([spoken(pair, options) for pair in chunk]))
            for row, pair in enumerate(chunk, start):
                manifest.add(_row(row, pair))
    return ABOUT


def paired(labels: Array, recordings: dict[int, list[_fsdd.Recording]], seed: int) -> list[Pair]:
    """Every picture with a recording of its digit by a speaker of its split, drawn from the seed; `labels` are train's, then test's."""
    splits = ["train"] * (TRAIN - VAL) + ["val"] * VAL + ["test"] * (len(labels) - TRAIN)
    choices = {
        (split, digit): [recording for recording in spoken if recording.speaker in speakers]
        for split, speakers in SPEAKERS.items()
        for digit, spoken in recordings.items()
    }
    draw = default_rng(seed)
    pairs = []
    for number, key in enumerate(zip(splits, labels.tolist(), strict=True)):
        choice = choices[key]
        pairs.append(Pair(number, *key, choice[draw.integers(len(choice))]))
    return pairs


def check(pairs: list[Pair], seed: int) -> None:
    """Raises UserError where the default seed gives other pairs than it should."""
    found = hashlib.sha256("".join(f"{pair.picture} {pair.recording.name}\n" for pair in pairs).encode()).hexdigest()
    if seed == 0 and found != PAIRS:
        raise UserError(
            f"avmnist: numpy {np.__version__} draws other pairs ({found}) than those of this set ({PAIRS}); install another numpy"
        )


def reduced(train: Array, components: int | None) -> Callable[[Array], Array]:
    """What leaves only `components` principal components of uint8 pictures (N, H, W), as 128 + x / 2; None: what leaves all as it is.

    `train` (N, H, W) decides mean and components. The moments are sums of whole numbers, exact in any order.
    """
    if components is None:
        return lambda pictures: pictures
    flat = train.reshape(len(train), -1)
    moment = sum(part.T @ part for part in (flat[start : start + CHUNK].astype(float) for start in range(0, len(flat), CHUNK)))
    mean = flat.sum(0) / len(flat)
    _, vectors = np.linalg.eigh(moment / len(flat) - np.outer(mean, mean))
    axes = vectors[:, -components:]

    def reduce(pictures: Array) -> Array:
        centred = pictures.reshape(len(pictures), -1) - mean
        return (128 + centred @ axes @ axes.T / 2).round().clip(0, 255).astype(np.uint8).reshape(pictures.shape)

    return reduce


def spoken(pair: Pair, options: Avmnist) -> Array:
    """One second, int16: the word, at most that long, somewhere in white noise."""
    draw = default_rng([options.seed, pair.picture])
    sound = drown(pair.recording.sound[: _fsdd.RATE], _fsdd.RATE, options.snr, draw)
    return (sound * 32767).round().astype(np.int16)


def _row(row: int, pair: Pair) -> Row:
    cells = {"audio": f"sounds.npy#{row}@{_fsdd.RATE}", "image": f"images.npy#{row}"}
    others = {"speaker": pair.recording.speaker, "recording": pair.recording.name}
    return Row(pair.picture + 1, f"av{pair.picture:05d}", pair.split, str(pair.label), cells, others)
