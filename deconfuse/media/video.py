"""Clips, by PyAV."""

from functools import partial
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import UInt8
from PIL import Image as Picture

from deconfuse.media import MediaError
from deconfuse.media.image import fitted
from deconfuse.params.preprocess import Image, Video


def decode(path: Path, options: Video) -> tuple[UInt8[np.ndarray, "T C H W"], int]:
    """Frames spread evenly over a clip; and how many are real, where the clip has fewer than asked for.

    Raises MediaError.
    """
    if not path.is_file():
        raise MediaError(f"there is no file {path}")
    like = Image(height=options.height, width=options.width, channels=options.channels)
    # one for the whole clip: setting up a conversion costs more than converting a small frame
    convert = partial(VideoReformatter().reformat, format="gray" if options.channels == 1 else "rgb24")
    try:
        # an open file, not its name: FFmpeg would take some names for addresses
        with path.open("rb") as file, av.open(file, "r") as clip:
            if not clip.streams.video:
                raise MediaError(f"{path} has no pictures in it")
            frames = [fitted(Picture.fromarray(convert(frame).to_ndarray()), like) for frame in clip.decode(video=0)]
    except MediaError:
        raise
    except Exception as error:  # noqa: BLE001  PyAV's own errors have no common class below Exception
        raise MediaError(f"{path} is no clip that can be read: {error}") from None
    if not frames:
        raise MediaError(f"{path} holds no frame")
    return spread(np.stack(frames), options.frames)


def spread(frames: UInt8[np.ndarray, "N C H W"], wanted: int) -> tuple[UInt8[np.ndarray, "T C H W"], int]:
    """The middles of `wanted` equal parts of a clip; a shorter clip as it is, with black frames behind it."""
    if len(frames) < wanted:
        padding = np.zeros((wanted - len(frames), *frames.shape[1:]), np.uint8)
        return np.concatenate([frames, padding]), len(frames)
    places = ((np.arange(wanted) + 0.5) * len(frames) / wanted).astype(int)
    return frames[places], wanted
