"""Pictures, by Pillow."""

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from deconfuse.media import Decoded, MediaError, fingerprint
from deconfuse.media.files import opened, reason, shown
from deconfuse.media.packed import packed, row
from deconfuse.media.tones import fitted, plain
from deconfuse.params.preprocess import Image as Options

# Pillow's plug-ins for other formats are rarely read and often attacked
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
LOOK = (17, 16)


def decode(cell: str, media: Path, options: Options) -> Decoded:
    """A picture, upright and opaque, as uint8 of shape (channels, height, width).

    Args:
        cell: its path, or `path.npy#17` for a row of an array of uint8 of shape (N, H, W) or (N, H, W, C), C = 1, 3 or 4.
        media: the folder at which relative paths start.
        options: the `preprocess.image:` section.

    Raises MediaError.
    """
    if named := packed(cell):
        picture = from_array(row(named, media, "uint8", (3, 4)), cell)
        limited(cell, *picture.size, options.max_pixels)
        return finished(picture, options, (), picture.size)
    with opened(cell, media) as file:
        try:
            with lenient():
                return from_file(whole(file), cell, options)
        except UnidentifiedImageError:
            raise reason(cell, "picture", f"it is none of {', '.join(FORMATS)}", file) from None
        except MediaError:
            raise
        except Exception as error:  # noqa: BLE001  damaged files raise OSError, SyntaxError, struct.error, KeyError, MemoryError ...
            raise reason(cell, "picture", error or type(error).__name__, file) from None


@contextmanager
def lenient() -> Generator[None]:
    """Without Pillow's own limit of pixels, which params may exceed, and its warnings."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def whole(file: FileIO) -> Image.Image:
    """An opened picture, of which only a PNG's checksums are tested: decoding lets flipped bits of one through."""
    picture = Image.open(file, formats=FORMATS)
    if picture.format == "PNG":
        # it leaves nothing that could be decoded
        picture.verify()
        file.seek(0)
        picture = Image.open(file, formats=FORMATS)
    return picture


def from_file(picture: Image.Image, cell: str, options: Options) -> Decoded:
    size = picture.size
    limited(cell, *size, options.max_pixels)
    notes = []
    if getattr(picture, "is_animated", False):
        notes.append("only the first picture of a file of several is used")
    # a large JPEG is read at 1/2, 1/4 or 1/8 of its size as long as it stays twice as large as needed; contents are compared as they
    # were decoded, which is the same for the same file
    side = max(2 * options.width, 2 * options.height, 2 * max(LOOK))
    picture.draft("L" if options.channels == 1 else None, (side, side))
    picture.load()
    lying = picture.size
    try:
        ImageOps.exif_transpose(picture, in_place=True)
    except Exception:  # noqa: BLE001  as many errors as damaged files raise
        notes.append("its orientation cannot be read; it is taken to be upright")
    return finished(picture, options, tuple(notes), size if picture.size == lying else size[::-1])


def limited(cell: str, width: int, height: int, most: int) -> None:
    """Raise MediaError where a picture is larger than params allow; asked before any memory is taken for it."""
    if width * height > most:
        raise MediaError(f"{shown(cell)} is {width} x {height} pixels, more than max_pixels = {most} allows")


def from_array(values: np.ndarray, cell: str) -> Image.Image:
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if not values.size or (values.ndim == 3 and values.shape[2] not in (3, 4)):
        raise MediaError(f"{shown(cell)} has shape {values.shape}; a picture is (H, W) or (H, W, C) with 1, 3 or 4 channels C")
    return Image.fromarray(values)


def finished(picture: Image.Image, options: Options, notes: tuple[str, ...], size: tuple[int, int]) -> Decoded:
    """The decoded cell of an upright picture; `size` is that of the original, which may have been read smaller."""
    opaque = plain(picture, options)
    return Decoded(fitted(opaque, options), 1, content(opaque), look(opaque), {"width": float(size[0]), "height": float(size[1])}, notes)


def content(picture: Image.Image) -> bytes:
    """16 bytes, equal for equal pixels."""
    return fingerprint(f"{picture.mode} {picture.size}".encode(), picture.tobytes())


def look(picture: Image.Image) -> bytes:
    """Difference hash: whether each of 16 x 16 neighbours is the brighter one; b"" where all are the same.

    After N. Krawetz, "Kind of Like That" (2013), at 256 bits.
    """
    small: UInt8[np.ndarray, "16 17"] = np.asarray(picture.convert("L").resize(LOOK, Image.Resampling.BILINEAR))
    if small.min() == small.max():
        return b""
    return np.packbits(small[:, 1:] > small[:, :-1]).tobytes()
