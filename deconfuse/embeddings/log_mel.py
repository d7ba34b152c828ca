"""Sounds as log-mel spectrograms."""

from typing import Annotated, Any

import numpy as np
from jaxtyping import Float, Int
from pydantic import Field

from deconfuse.embeddings import Embedding, Values
from deconfuse.kernel.errors import UserError

# about the power of the 16 bit rounding noise, so that silence is low but finite
FLOOR = 1e-9


class LogMel(Embedding):
    """Logarithm of the power in bands evenly spaced on the mel scale (Davis & Mermelstein 1980; mel = 2595 log10(1 + f / 700)).

    Hann windows; power relative to full scale; frames begin every `hop` seconds from the first sample on.
    """

    layouts = {"audio": "frames"}

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        bands: Annotated[int, Field(ge=2, le=512, description="Mel bands.")] = 32,
        window: Annotated[float, Field(gt=0, le=1, description="Length of a frame, in seconds.")] = 0.05,
        hop: Annotated[float, Field(gt=0, le=1, description="From one frame's start to the next, in seconds.")] = 0.025,
    ) -> None:
        super().__init__(schema)
        self.samples, rate = schema["shape"][0], schema["rate"]
        self.window, self.hop = round(window * rate), max(1, round(hop * rate))
        if not 2 <= self.window <= self.samples:
            allowed = f"must be 2 to {self.samples} (the whole sound)"
            raise UserError(f"embed.{schema['name']}.window: {window} s is {self.window} samples at {rate} Hz, but {allowed}")
        self.filters = triangles(bands, self.window, rate)

    def __call__(
        self, values: Values, length: Int[np.ndarray, " N"] | None
    ) -> tuple[Float[np.ndarray, "N T F"], Int[np.ndarray, " N"] | None]:
        sound = np.asarray(values, np.float32) / 32768
        frames = np.lib.stride_tricks.sliding_window_view(sound, self.window, axis=1)[:, :: self.hop]
        hann = np.hanning(self.window + 1)[:-1].astype(np.float32)
        power = np.abs(np.fft.rfft(frames * hann, axis=-1)).astype(np.float32) ** 2 / np.square(hann.sum())
        mel = np.log(power @ self.filters + FLOOR, dtype=np.float32)
        steps = None if length is None else np.clip(-(-length // self.hop), 1, mel.shape[1]).astype(np.int32)
        return mel, steps


def triangles(bands: int, window: int, rate: int) -> Float[np.ndarray, "bins bands"]:
    """Overlapping triangular filters over the bins of a real FFT, each with its peak at 1."""
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    low, middle, high = edges[:-2], edges[1:-1], edges[2:]
    bins = np.fft.rfftfreq(window, 1 / rate)[:, None]
    rising, falling = (bins - low) / (middle - low), (high - bins) / (high - middle)
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
