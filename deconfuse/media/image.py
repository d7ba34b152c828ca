"""Pictures, by Pillow."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from deconfuse.media import MediaError
from deconfuse.params.preprocess import Image as Options

# Pillow's plug-ins for other formats are rarely read and often attacked
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")


def decode(path: Path, options: Options) -> UInt8[np.ndarray, "C H W"]:
    """A picture turned upright, resized, and of the number of channels that params ask for.

    Raises MediaError.
    """
    try:
        with Image.open(path, formats=FORMATS) as opened:
            upright = ImageOps.exif_transpose(opened)
            picture = upright.convert("L" if options.channels == 1 else "RGB")
    except FileNotFoundError:
        raise MediaError(f"there is no file {path}") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise MediaError(f"{path} is no picture that can be read: {error}") from None
    return fitted(picture, options)


def fitted(picture: Image.Image, options: Options) -> UInt8[np.ndarray, "C H W"]:
    size = (options.width, options.height)
    # antialiased when it shrinks
    resized = picture if picture.size == size else picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, np.uint8).reshape(options.height, options.width, options.channels).transpose(2, 0, 1)
