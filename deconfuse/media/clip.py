"""Clips and other files that only FFmpeg reads, opened by PyAV."""

from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

# demuxers by FFmpeg's names: without those that read other files or addresses (playlists, concat), which an open file can name
FORMATS = (
    *("mov", "matroska", "webm", "avi", "mpeg", "mpegts", "mpegvideo", "flv", "asf", "ogg", "h264", "hevc", "m4v", "mjpeg", "dv", "mxf"),
    *("aac", "ac3", "amr", "caf", "wav", "mp3", "flac", "wv", "tta", "ape"),
    *("gif", "apng", "png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe"),
)


@contextmanager
def clip(file: FileIO) -> Generator[InputContainer]:
    """The container in an open file: of a name, FFmpeg would take some for addresses."""
    file.seek(0)
    with av.open(file, "r", options={"format_whitelist": ",".join(FORMATS)}) as container:
        yield container


def pictures(container: InputContainer) -> VideoStream:
    """The first stream of moving pictures, decoded by one thread: the cover of a song is no clip.

    Raises ValueError where there is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            stream.thread_count = 1
            return stream
    raise ValueError("it has no pictures in it")
