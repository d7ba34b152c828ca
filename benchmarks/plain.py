"""The loop that one would write by hand for files that are all in order: no check, no digest, no note."""

from pathlib import Path

import av
import numpy as np
import soundfile
import soxr
from PIL import Image as Picture

from deconfuse.params.preprocess import Audio, Image, Video


def image(path: Path, options: Image) -> np.ndarray:
    picture = Picture.open(path).convert("RGB").resize((options.width, options.height), Picture.Resampling.BILINEAR)
    return np.asarray(picture).transpose(2, 0, 1)


def audio(path: Path, options: Audio) -> np.ndarray:
    sound, rate = soundfile.read(path, dtype="float32")
    return (soxr.resample(sound, rate, options.rate) * 32767).astype(np.int16)


def video(path: Path, options: Video) -> np.ndarray:
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    places = ((np.arange(options.frames) + 0.5) * len(frames) / options.frames).astype(int)
    size = (options.width, options.height)
    picked = [np.asarray(Picture.fromarray(frames[place]).resize(size, Picture.Resampling.BILINEAR)) for place in places]
    return np.stack(picked).transpose(0, 3, 1, 2)
