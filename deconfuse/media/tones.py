"""A picture of any mode to 8 bits of grey or colour without transparency, and to the size of the params."""

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from deconfuse.params.preprocess import Frame


def plain(picture: Image.Image, options: Frame) -> Image.Image:
    """The picture in grey or RGB, on the ground of the params where it is transparent.

    Raises ValueError for numbers whose black and white nobody knows.
    """
    mode = "L" if options.channels == 1 else "RGB"
    if picture.mode[0] in "IF":
        picture = Image.fromarray(levels(picture, options.ground))
    if picture.has_transparency_data:
        clear = picture.convert("RGBA")
        ground = Image.new("RGBA", clear.size, (options.ground,) * 3 + (255,))
        picture = Image.alpha_composite(ground, clear)
    return picture if picture.mode == mode else picture.convert(mode)


def levels(picture: Image.Image, ground: int) -> UInt8[np.ndarray, "H W"]:
    """Numbers wider than a byte as bytes; Pillow would cut 16 bits off at white, and round floats to black."""
    values = np.asarray(picture)
    if picture.mode == "F":
        # written so that NaN fails, too
        if not (values.min() >= 0 and values.max() <= 1):
            raise ValueError(f"its numbers go from {values.min():g} to {values.max():g}; floats must lie in 0 (black) to 1 (white)")
        return np.round(values * 255).astype(np.uint8)
    if picture.mode == "I" and picture.format != "PNG":
        raise ValueError("its pixels are whole numbers of more than 16 bits, or signed, whose black and white are not known")
    grey = np.round(values.astype(np.float64) * (255 / 65535)).astype(np.uint8)
    # the one value that a PNG may declare to be transparent
    if "transparency" in picture.info:
        grey[values == picture.info["transparency"]] = ground
    return grey


def fitted(picture: Image.Image, options: Frame) -> UInt8[np.ndarray, "C H W"]:
    """A plain picture at the size of the params; antialiased where it shrinks."""
    size = (options.width, options.height)
    if picture.size != size:
        picture = resized(picture, size, options)
    return np.asarray(picture, np.uint8).reshape(options.height, options.width, options.channels).transpose(2, 0, 1)


def resized(picture: Image.Image, size: tuple[int, int], options: Frame) -> Image.Image:
    if options.fit == "stretch":
        return picture.resize(size, Image.Resampling.BILINEAR)
    if options.fit == "crop":
        return ImageOps.fit(picture, size, Image.Resampling.BILINEAR)
    scale = min(size[0] / picture.width, size[1] / picture.height)
    # a side never shrinks to nothing
    inner = picture.resize((max(1, round(picture.width * scale)), max(1, round(picture.height * scale))), Image.Resampling.BILINEAR)
    whole = Image.new(picture.mode, size, (options.ground,) * len(picture.getbands()))
    whole.paste(inner, ((size[0] - inner.width) // 2, (size[1] - inner.height) // 2))
    return whole
