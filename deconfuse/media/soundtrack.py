"""The sound tracks of clips, and sounds that only FFmpeg reads (AAC, m4a, ...)."""

from io import FileIO

import av
import numpy as np
from av import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from jaxtyping import Float32

from deconfuse.media.clip import clip


def read(file: FileIO, seconds: float) -> tuple[Float32[np.ndarray, "S C"], int, int, tuple[str, ...]]:
    """At most so many seconds of the first sound track, its rate, the samples of the whole, and no notes.

    Raises ValueError where there is none, and FFmpeg's errors where it is damaged.
    """
    with clip(file) as container:
        if not container.streams.audio:
            raise ValueError("there is no sound in it")
        stream = container.streams.audio[0]
        parts = blocks(container, stream, seconds)
        sound = np.concatenate(parts, 1).T if parts else np.zeros((0, 1), np.float32)
        whole = round(duration(container, stream) * stream.rate)
        return sound, stream.rate, max(len(sound), whole), ()


def duration(container: InputContainer, stream: AudioStream) -> float:
    """Seconds of the track, or else of the file; 0 where neither is told."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return (container.duration or 0) / av.time_base


def blocks(container: InputContainer, stream: AudioStream, seconds: float) -> list[Float32[np.ndarray, "C S"]]:
    """Decoded pieces, as many as the seconds take."""
    stream.codec_context.thread_count = 1
    planar = AudioResampler(format="fltp")
    parts: list[np.ndarray] = []
    heard = 0
    for frame in container.decode(stream):
        parts += [piece.to_ndarray() for piece in planar.resample(frame)]
        heard += frame.samples
        if heard >= seconds * stream.rate:
            break
    return parts
