"""Pictures, sounds and clips made small and written anew as data URIs: no byte of the original file reaches the page."""

import io
from base64 import b64encode
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deconfuse.media.files import regular
from deconfuse.media.packed import packed, row
from deconfuse.params.preprocess import Audio

if TYPE_CHECKING:
    import av

# Kept of each medium: enough to judge a sample by, little enough that forty fit into a page.
PICTURE_SIDE = 224
CLIP_SIDE = 160
CLIP_FRAMES = 150
SOUND_SECONDS = 8
SOUND_RATE = 16_000
# Frames a second where a clip does not say.
FRAME_RATE = 10


@dataclass(frozen=True)
class Medium:
    """What the page shows of one cell: a data URI; the size in pixels of a picture or clip; a clip's first frame as another URI."""

    source: str
    width: int = 0
    height: int = 0
    poster: str = ""


def image(cell: str, folder: Path) -> Medium:
    """A picture as PNG or, where it has more than a few colours and is large, WebP, turned as its EXIF says and without its metadata."""
    from PIL import Image, ImageOps

    from deconfuse.media.image import from_array

    if named := packed(cell):
        picture = from_array(row(named, folder, "uint8", (3, 4)), cell)
    else:
        with Image.open(regular(cell, folder)) as opened:
            picture = ImageOps.exif_transpose(opened)
    # 16-bit greys would be cut off at 255 by a plain conversion
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(stretched(np.asarray(picture, dtype=float)))
    picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    picture.thumbnail((PICTURE_SIDE, PICTURE_SIDE))
    data = io.BytesIO()
    if max(picture.size) <= 64:
        picture.save(data, "PNG", optimize=True)
        return Medium(uri("image/png", data), *picture.size)
    picture.save(data, "WEBP", quality=80)
    return Medium(uri("image/webp", data), *picture.size)


def stretched(values: np.ndarray) -> np.ndarray:
    """Numbers of any range as uint8 from their least to their largest."""
    low, high = np.nanmin(values), np.nanmax(values)
    return np.nan_to_num(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)


def audio(cell: str, folder: Path) -> Medium:
    """The first seconds of a sound, one channel, as 16-bit FLAC of at most 16 kHz."""
    import soundfile

    from deconfuse.media.audio import decode

    sound = decode(cell, folder, Audio(rate=SOUND_RATE, seconds=SOUND_SECONDS))
    rate = min(SOUND_RATE, int(sound.size["rate"]))
    # params know no lower rate
    if 1000 <= rate < SOUND_RATE:
        sound = decode(cell, folder, Audio(rate=rate, seconds=SOUND_SECONDS))
    else:
        rate = SOUND_RATE
    data = io.BytesIO()
    soundfile.write(data, np.asarray(sound.value, np.int16)[: sound.length], rate, format="FLAC", subtype="PCM_16")
    return Medium(uri("audio/flac", data))


def video(cell: str, folder: Path) -> Medium:
    """The first frames of a clip as H.264, silent; small frames are enlarged in whole steps, so that they stay sharp."""
    frames, rate = read_frames(regular(cell, folder))
    width, height = fitted(frames[0].width, frames[0].height)
    sharp = "POINT" if width > frames[0].width else "AREA"
    data = io.BytesIO()
    write_frames(data, [frame.reformat(width, height, "yuv420p", interpolation=sharp) for frame in frames], rate)
    return Medium(uri("video/mp4", data), width, height, poster(frames[0].reformat(width, height, "rgb24", interpolation=sharp)))


def poster(frame: "av.VideoFrame") -> str:
    """A frame as a picture: what paper shows of a clip, and a screen before it plays."""
    data = io.BytesIO()
    frame.to_image().save(data, "WEBP", quality=60)
    return uri("image/webp", data)


def read_frames(path: Path) -> "tuple[list[av.VideoFrame], int]":
    """The first frames of a clip (PyAV frames), and their number a second."""
    import av

    # an open file rather than its name, so that a name cannot be an address
    with path.open("rb") as file, av.open(file, "r") as container:
        stream = container.streams.video[0]
        rate = max(1, round(float(stream.average_rate or FRAME_RATE)))
        frames = [frame for frame, _ in zip(container.decode(stream), range(CLIP_FRAMES), strict=False)]
    if not frames:
        raise ValueError("the clip has no frame")
    return frames, rate


def fitted(width: int, height: int) -> tuple[int, int]:
    """The size to show a clip at: within CLIP_SIDE, whole multiples of a small clip's own, even as H.264 needs."""
    longer = max(width, height)
    scale = CLIP_SIDE // longer if longer <= CLIP_SIDE else CLIP_SIDE / longer
    return max(2, 2 * ceil(width * scale / 2)), max(2, 2 * ceil(height * scale / 2))


def write_frames(data: io.BytesIO, frames: "list[av.VideoFrame]", rate: int) -> None:
    """Encode yuv420p frames of one size as an MP4 file.

    The same bytes every time: one thread, and no `mbtree`, with which x264 goes by what happens to be in memory.
    """
    import av

    options = {"crf": "23", "preset": "medium", "threads": "1", "x264-params": "mbtree=0"}
    with av.open(data, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def uri(kind: str, data: io.BytesIO) -> str:
    """Bytes as a data URI."""
    return f"data:{kind};base64,{b64encode(data.getvalue()).decode()}"
