"""What is done to pictures, sounds, words and films of a digit so that none of them suffices (after AV-MNIST: Vielzeuf et al. 2018).

Every function draws from the generator that it is given, and leaves its inputs as they are.
"""

import numpy as np
from numpy.random import Generator

Array = np.ndarray
GREY = 128


def cover(picture: Array, share: float, draw: Generator) -> Array:
    """Lay a grey patch over part of a uint8 picture (H, W).

    The patch is a rectangle of drawn place and proportions; its area is `share` of the picture's, to half a row or column.
    """
    height, width = picture.shape
    area = share * height * width
    rows = int(draw.integers(np.ceil(area / width), height, endpoint=True))
    columns = round(area / rows) if rows else 0
    top = draw.integers(height - rows, endpoint=True)
    left = draw.integers(width - columns, endpoint=True)
    covered = picture.copy()
    covered[top : top + rows, left : left + columns] = GREY
    return covered


def drown(clip: Array, samples: int, snr: float, draw: Generator) -> Array:
    """Put a clip at a drawn place of a window of `samples` zeros, add white noise, and bring the peak to 0.9.

    `snr` in dB compares the mean power of the clip itself, without the silence around it, with that of the noise.
    """
    start = draw.integers(samples - len(clip), endpoint=True)
    power = np.mean(np.square(clip)) / 10 ** (snr / 10)
    window = draw.normal(0, np.sqrt(power), samples)
    window[start : start + len(clip)] += clip
    return window * (0.9 / np.abs(window).max())


def mishear(word: str, dropped: float, replaced: float, swapped: float, draw: Generator) -> str:
    """Spell a word of letters a-z as a bad recogniser would; the numbers are probabilities a letter.

    Letters are first replaced, then dropped (one always stays), then swapped with the next, from left to right.
    """
    letters = [_other(letter, draw) if draw.random() < replaced else letter for letter in word]
    heard = [letter for letter in letters if draw.random() >= dropped] or [letters[draw.integers(len(letters))]]
    for i in range(len(heard) - 1):
        if draw.random() < swapped:
            heard[i], heard[i + 1] = heard[i + 1], heard[i]
    return "".join(heard)


def drift(picture: Array, frames: int, side: int, noise: float, draw: Generator) -> Array:
    """Let a uint8 picture (h, w) go straight from one drawn place of a black square field to another, under noise.

    Returns uint8 (frames, side, side); `noise` is the standard deviation in grey levels, new on every pixel of every frame.
    """
    room = side - np.array(picture.shape)
    places = np.linspace(*draw.integers(room, size=(2, 2), endpoint=True), frames)
    film = draw.normal(0, noise, (frames, side, side))
    for frame, (top, left) in zip(film, places.round().astype(int), strict=True):
        frame[top : top + picture.shape[0], left : left + picture.shape[1]] += picture
    return film.clip(0, 255).round().astype(np.uint8)


def _other(letter: str, draw: Generator) -> str:
    return chr((ord(letter) - ord("a") + draw.integers(1, 26)) % 26 + ord("a"))
