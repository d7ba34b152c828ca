"""Files to decode, made here: smooth scenes under grain, as photographs are; tones under noise."""

from pathlib import Path

import av
import numpy as np
import soundfile
from numpy.random import Generator, default_rng
from PIL import Image


def make(folder: Path, scale: float) -> dict[str, tuple[str, list[Path]]]:
    """Title -> kind and files."""
    draw = default_rng(0)
    photos = [photo(folder / f"{n}.jpg", draw) for n in range(max(1, round(200 * scale)))]
    icons = [icon(folder / f"{n}.png", draw) for n in range(max(1, round(2000 * scale)))]
    waves = [sound(folder / f"{n}.wav", draw) for n in range(max(1, round(400 * scale)))]
    flacs = [sound(folder / f"{n}.flac", draw) for n in range(max(1, round(400 * scale)))]
    clips = [clip(folder / f"{n}.mp4", draw) for n in range(max(1, round(40 * scale)))]
    return {
        "JPEG 640 x 480": ("image", photos),
        "PNG 32 x 32": ("image", icons),
        "WAV 2 s, 44.1 kHz": ("audio", waves),
        "FLAC 2 s, 44.1 kHz": ("audio", flacs),
        "MP4 2 s, 320 x 240, 25 frames/s": ("video", clips),
    }


def scene(height: int, width: int, draw: Generator) -> np.ndarray:
    y, x = np.mgrid[:height, :width] / max(height, width)
    waves = [np.sin(2 * np.pi * (x * a + y * b + c)) for a, b, c in draw.uniform(-4, 4, (3, 3))]
    return np.clip(128 + 90 * np.stack(waves, -1) + draw.normal(0, 8, (height, width, 3)), 0, 255).astype(np.uint8)


def photo(path: Path, draw: Generator) -> Path:
    Image.fromarray(scene(480, 640, draw)).save(path, quality=90)
    return path


def icon(path: Path, draw: Generator) -> Path:
    Image.fromarray(scene(32, 32, draw)).save(path)
    return path


def sound(path: Path, draw: Generator) -> Path:
    time = np.arange(2 * 44100) / 44100
    soundfile.write(path, 0.4 * np.sin(2 * np.pi * draw.uniform(100, 4000) * time) + draw.normal(0, 0.02, len(time)), 44100)
    return path


def clip(path: Path, draw: Generator) -> Path:
    still = scene(240, 320, draw)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for shift in range(50):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(still, 3 * shift, 1))))
        container.mux(stream.encode())
    return path
