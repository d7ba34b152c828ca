"""Sounds, by soundfile and soxr."""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Int16

from deconfuse.media import MediaError
from deconfuse.params.preprocess import Audio as Options


def decode(path: Path, options: Options) -> tuple[Int16[np.ndarray, " S"], int]:
    """A sound of one channel (their mean) at the rate of the params, cut or padded to their length; and its valid samples.

    Raises MediaError.
    """
    if not path.is_file():
        raise MediaError(f"there is no file {path}")
    try:
        # a little more than is kept, so that resampling has what it needs at the end
        with soundfile.SoundFile(path) as opened:
            sound = opened.read(round((options.seconds + 0.1) * opened.samplerate), dtype="float32", always_2d=True).mean(1)
            rate = opened.samplerate
    except soundfile.LibsndfileError as error:
        raise MediaError(f"{path} is no sound that can be read: {error.error_string}") from None
    if not sound.size:
        raise MediaError(f"{path} holds no sound")
    if not np.isfinite(sound).all():
        raise MediaError(f"{path} holds samples that are not numbers")
    return fitted(sound, rate, options)


def fitted(sound: np.ndarray, rate: int, options: Options) -> tuple[Int16[np.ndarray, " S"], int]:
    if rate != options.rate:
        sound = soxr.resample(sound, rate, options.rate)
    samples = round(options.seconds * options.rate)
    sound = sound[:samples]
    padded = np.zeros(samples, np.int16)
    padded[: len(sound)] = np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)
    return padded, max(1, len(sound))
