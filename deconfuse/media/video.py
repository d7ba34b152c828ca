"""Clips, by PyAV."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import FileIO
from itertools import islice
from pathlib import Path

import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter
from PIL import Image

from deconfuse.media import Decoded, MediaError, fingerprint
from deconfuse.media.clip import clip, pictures
from deconfuse.media.files import opened, reason, shown
from deconfuse.media.image import content, limited
from deconfuse.media.tones import fitted
from deconfuse.params.preprocess import Video as Options

# FFmpeg's names; the angle is counter-clockwise, as Pillow's are
TURNS = {90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270}


@dataclass(frozen=True)
class Course:
    """When the frames of a clip are shown."""

    frames: int
    """Packets with a picture, which may be more than the frames that come out of them."""
    start: int
    span: int
    """From the first frame's beginning to the last one's end, in ticks; in frames where the clip does not say when they are shown."""
    tick: float | None
    """Seconds; None where the clip does not say."""


def decode(cell: str, media: Path, options: Options) -> Decoded:
    """Frames spread evenly over a clip's time as uint8 of shape (frames, channels, height, width); shorter clips end in black.

    Args:
        cell: its path.
        media: the folder at which relative paths start.
        options: the `preprocess.video:` section.

    The length counts the real frames. Only what is kept is held in memory. Raises MediaError.
    """
    value = np.zeros((options.frames, options.channels, options.height, options.width), np.uint8)
    frames: list[bytes] = []
    size: dict[str, float] = {}
    with opened(cell, media) as file:
        try:
            course = planned(file, cell, options)
            # one for the whole clip: setting up a conversion costs more than converting a small frame
            convert = partial(VideoReformatter().reformat, format="gray" if options.channels == 1 else "rgb24")
            for frame in chosen(file, course, options.frames):
                # a stream may change its size
                limited(cell, frame.width, frame.height, options.max_pixels)
                picture = upright(frame, convert(frame).to_ndarray())
                value[len(frames)] = fitted(picture, options)
                frames.append(content(picture))
                size = {"width": float(picture.width), "height": float(picture.height)}
        except MediaError:
            raise
        except Exception as error:  # noqa: BLE001  PyAV's own errors have no common class below Exception
            raise reason(cell, "clip", error, file) from None
    if not frames:
        raise MediaError(f"{shown(cell)} holds no frame")
    seconds = {} if course.tick is None else {"seconds": course.span * course.tick}
    return Decoded(value, len(frames), fingerprint(*frames), size=size | {"frames": float(course.frames)} | seconds)


def planned(file: FileIO, cell: str, options: Options) -> Course:
    """When the frames are shown, read without decoding any."""
    with clip(file) as container:
        stream = pictures(container)
        limited(cell, stream.width, stream.height, options.max_pixels)
        moments = [(packet.pts, packet.is_discard) for packet in container.demux(stream) if packet.size]
        if len(moments) < stream.frames:
            raise MediaError(f"{shown(cell)} is cut short: its header promises {stream.frames} frames, but {len(moments)} are there")
        # an edit list may hide frames
        return laid_out([at for at, hidden in moments if not hidden], stream.time_base)


def laid_out(moments: list[int | None], tick: Fraction | None) -> Course:
    """The course of frames that begin at these moments, in any order; None where that is not told."""
    times = sorted(at for at in moments if at is not None)
    gaps = np.diff(times)
    if tick is None or len(times) < max(2, len(moments)) or not gaps.all():
        return Course(len(moments), 0, len(moments), None)
    # the last frame is taken to be shown as long as most are: containers are often wrong about it
    return Course(len(times), times[0], times[-1] - times[0] + int(np.median(gaps)), float(tick))


def chosen(file: FileIO, course: Course, wanted: int) -> Iterator[VideoFrame]:
    """The frames that are shown at the middles of `wanted` equal parts of a clip; all frames of a clip that has fewer."""
    with clip(file) as container:
        frames = container.decode(pictures(container))
        if course.frames <= wanted:
            yield from islice(frames, wanted)
            return
        # in whole numbers, so that no rounding decides between two frames
        middles = [2 * wanted * course.start + (2 * part + 1) * course.span for part in range(wanted)]
        before = None
        for index, frame in enumerate(frames):
            at = index if course.tick is None else frame.pts
            while before is not None and at is not None and middles and middles[0] < 2 * wanted * at:
                yield before
                middles.pop(0)
            if not middles:
                return
            before = frame
        if before is not None:
            yield from [before] * len(middles)


def upright(frame: VideoFrame, pixels: np.ndarray) -> Image.Image:
    """The pixels of a frame, turned as the clip says."""
    picture = Image.fromarray(pixels)
    turn = TURNS.get(frame.rotation % 360)
    return picture if turn is None else picture.transpose(turn)
