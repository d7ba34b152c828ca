"""Maps of what an answer rests on, as small pictures and in words."""

import io

import numpy as np

from deconfuse.reporting.media import uri
from deconfuse.reporting.words import listed, percent, short, signed

FOR, AGAINST, LINE = (217, 95, 2), (31, 111, 180), (128, 128, 128)
"""Orange and blue, which every kind of colour vision tells apart; against is striped, too."""
SIDE = 128
"""Pixels along the longer side of a picture, at least."""
STEP, HEIGHT = 12, 48
"""Pixels of a bar."""


def grey(values: np.ndarray) -> str:
    """Numbers (rows, columns) from black for the least to white for the largest."""
    return png(np.stack([blown_up(tones(values))] * 3, axis=2))


def overlaid(values: np.ndarray, ground: np.ndarray) -> str:
    """A map over the input (both rows, columns), which is pale: orange where it is above 0, blue stripes where it is below."""
    big, under = blown_up(strength(values)), blown_up(150 + 0.4 * tones(ground))
    striped = np.where(np.arange(len(big))[:, None] % 4 < 2, 1.0, 0.25)
    share = 0.9 * np.where(big < 0, striped, 1.0) * np.abs(big) ** 0.75
    colour = np.where(big[..., None] < 0, AGAINST, FOR)
    return png((1 - share[..., None]) * under[..., None] + share[..., None] * colour)


def bars(values: np.ndarray) -> str:
    """Numbers (steps,) as bars: orange and up where above 0, blue and down where below."""
    picture = np.zeros((HEIGHT + 1, STEP * len(values), 4))
    level = HEIGHT if (values >= 0).all() else HEIGHT // 2
    for place, part in enumerate(strength(values)):
        ends = sorted((level, level - round(part * level)))
        picture[slice(*ends), place * STEP + 1 : (place + 1) * STEP - 1] = (*(FOR if part > 0 else AGAINST), 255)
    picture[level] = (*LINE, 255)
    return png(picture)


def tones(values: np.ndarray) -> np.ndarray:
    """From 0 for the least to 255 for the largest."""
    low, high = values.min(), values.max()
    return 255 * (values - low) / (high - low) if high > low else np.full(values.shape, 128.0)


def strength(values: np.ndarray) -> np.ndarray:
    """Between -1 and 1, the largest magnitude being 1."""
    most = np.abs(values).max()
    return values / most if most else values


def blown_up(values: np.ndarray) -> np.ndarray:
    """Every cell a square of pixels."""
    size = max(4, -(-SIDE // max(values.shape)))
    return np.repeat(np.repeat(values, size, axis=0), size, axis=1)


def png(picture: np.ndarray) -> str:
    """Pixels (H, W, 3 or 4) from 0 to 255 as a data URI."""
    from PIL import Image

    data = io.BytesIO()
    Image.fromarray(picture.round().astype(np.uint8)).save(data, "PNG", optimize=True)
    return uri("image/png", data)


# ---- in words

AREAS = {
    "image": (("upper", "middle", "lower"), ("left", "centre", "right")),
    "audio": (("low", "medium", "high"), ("early", "midway", "late")),
}


def areas(values: np.ndarray, kind: str) -> str:
    """In which ninths of a picture or sound most of a map lies: "upper left 41.0 % and middle centre 22.0 %"."""
    if not values.any():
        return "nothing"
    thirds = [np.array_split(np.abs(part), 3, axis=1) for part in np.array_split(values, 3, axis=0)]
    shares = np.array([[cell.sum() for cell in row] for row in thirds]) / np.abs(values).sum()
    names = AREAS[kind]
    most = np.argsort(-shares.ravel(), kind="stable")[:2]
    return listed([f"{names[0][place // 3]} {names[1][place % 3]} {percent(shares.flat[place])}" for place in most])


def strongest(values: np.ndarray, names: list[str]) -> str:
    """The strongest steps, each with what it adds: "For: 3 (+1.25) and 4 (+0.5). Against: 7 (−0.25)."."""
    parts = []
    for word, sign in (("For", 1), ("Against", -1)):
        order = [place for place in np.argsort(-sign * values, kind="stable")[:3] if sign * values[place] > 0]
        if order:
            parts.append(f"{word}: {listed([f'{short(names[place], 20)} ({signed(values[place])})' for place in order])}.")
    return " ".join(parts) or "Nothing."
