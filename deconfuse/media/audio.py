"""Sounds, by soundfile and soxr; the sound tracks of clips, by PyAV."""

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import numpy as np
import soundfile
import soxr
from jaxtyping import Float32, Int16

from deconfuse.media import Decoded, MediaError, fingerprint
from deconfuse.media.files import opened, reason, shown
from deconfuse.media.packed import packed, row
from deconfuse.media.riff import shortfall
from deconfuse.params.preprocess import Audio as Options

RATES = range(100, 1_000_001)
"""Hertz; other rates are damage, and may ask for any amount of memory."""
MARGIN = 0.1
"""Seconds read beyond what is kept, so that resampling has what it needs at the end."""


def decode(cell: str, media: Path, options: Options) -> Decoded:
    """The beginning of a sound as int16 of shape (seconds x rate,), padded with zeros, and its valid samples.

    Args:
        cell: the path of a sound, or of a clip, whose sound track is taken; or `path.npy#17@8000` for row 17 of an array of int16 of
            shape (N, S) at 8,000 Hz.
        media: the folder at which relative paths start.
        options: the `preprocess.audio:` section.

    Only what is kept is read, so damage behind it may go unseen. Raises MediaError.
    """
    if named := packed(cell):
        if not named["rate"]:
            raise MediaError(f"{shown(cell)}: a rate is missing; write `{shown(cell)}@8000` for 8,000 Hz")
        sound = row(named, media, "int16", (2,))[:, None].astype(np.float32) / 32768
        return finished(sound, int(named["rate"]), len(sound), (), cell, options)
    with opened(cell, media) as file:
        try:
            sound, rate, frames, notes = from_file(file, options)
        except MediaError as short:
            raise MediaError(f"{shown(cell)} {short}") from None
        except Exception as error:  # noqa: BLE001  PyAV's errors have no common class below Exception
            raise reason(cell, "sound", error, file) from None
    return finished(sound, rate, frames, notes, cell, options)


def from_file(file: FileIO, options: Options) -> tuple[Float32[np.ndarray, "S C"], int, int, tuple[str, ...]]:
    """Samples kept and a margin, their rate, the frames of the whole file, and notes."""
    if missing := shortfall(file):
        raise MediaError(missing)
    file.seek(0)
    try:
        # by number: soundfile reads some suffixes as raw samples, libsndfile guesses by others
        with hushed(), soundfile.SoundFile(file.fileno(), closefd=False) as sound:
            if sound.frames:
                return read(sound, options)
    except soundfile.LibsndfileError as error:
        # code 1: the format is not known
        if error.code != 1:
            # said of an MP3 that ends in its first frames; the file is there
            absent = error.error_string.startswith("File does not exist")
            raise ValueError("it is cut short or damaged at its beginning" if absent else error.error_string) from None
    # FFmpeg knows more formats, and reads on where a recorder that crashed left a length of 0
    from deconfuse.media import soundtrack

    return soundtrack.read(file, options.seconds + MARGIN)


def read(sound: soundfile.SoundFile, options: Options) -> tuple[Float32[np.ndarray, "S C"], int, int, tuple[str, ...]]:
    if sound.samplerate not in RATES:
        raise MediaError(f"has a rate of {sound.samplerate} Hz; rates are {RATES[0]} to {RATES[-1]}")
    wanted = min(round((options.seconds + MARGIN) * sound.samplerate), sound.frames)
    samples = sound.read(wanted, dtype="float32", always_2d=True)
    if len(samples) < wanted:
        raise MediaError(f"is cut short: its header promises {sound.frames} samples, but after {len(samples)} there are no more")
    # floats may be of any size; compressed sounds overshoot a little, and every player cuts that off
    loud = sound.subtype in ("FLOAT", "DOUBLE") and samples.size and np.abs(samples).max() > 1
    return samples, sound.samplerate, sound.frames, (("samples beyond full scale are clipped",) if loud else ())


def finished(sound: Float32[np.ndarray, "S C"], rate: int, frames: int, notes: tuple[str, ...], cell: str, options: Options) -> Decoded:
    """The decoded cell of samples in -1..1, of which there may be more than are kept."""
    if not sound.size:
        raise MediaError(f"{shown(cell)} holds no sound: it has 0 samples")
    peak = np.abs(sound).max()
    # NaN and infinity both last until here
    if not np.isfinite(peak):
        raise MediaError(f"{shown(cell)} holds samples that are not numbers")
    if rate not in RATES:
        raise MediaError(f"{shown(cell)} has a rate of {rate} Hz; rates are {RATES[0]} to {RATES[-1]}")
    bounded = np.clip(sound, -1, 1) if peak > 1 else sound
    # a mean over one channel costs as much as reading the sound
    mono = bounded.mean(1) if bounded.shape[1] > 1 else bounded[:, 0]
    value, length = fitted(mono, rate, options)
    size = {"seconds": frames / rate, "rate": float(rate), "channels": float(sound.shape[1])}
    kept = mono[: math.ceil(options.seconds * rate)]
    return Decoded(value, length, fingerprint(f"{rate} ".encode(), kept.tobytes()), size=size, notes=notes)


def fitted(sound: Float32[np.ndarray, " S"], rate: int, options: Options) -> tuple[Int16[np.ndarray, " T"], int]:
    if rate != options.rate:
        sound = soxr.resample(sound, rate, options.rate)
    samples = round(options.seconds * options.rate)
    sound = sound[:samples]
    padded = np.zeros(samples, np.int16)
    padded[: len(sound)] = np.clip(np.round(sound * 32768), -32768, 32767).astype(np.int16)
    # of a sound shorter than one new sample, one is taken to be heard
    return padded, max(1, len(sound))


@contextmanager
def hushed() -> Generator[None]:
    """Without what libmpg123 writes to standard error about damaged files, past Python's own."""
    before = os.dup(2)
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
