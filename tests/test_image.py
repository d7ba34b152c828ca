"""Pictures of every sort that a table may point at, made here."""

import random
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from deconfuse.media import Decoded, MediaError
from deconfuse.media.image import decode
from deconfuse.params.preprocess import Image as Options

GREY, COLOUR = Options(height=8, width=12), Options(height=8, width=12, channels=3)


def scene(height: int, width: int) -> np.ndarray:
    """A bright corner at the top left, red on the right, on soft slopes."""
    y, x = np.mgrid[:height, :width] / [[[height]], [[width]]]
    values = np.stack([60 + 160 * x, 60 + 60 * y, 120 - 80 * x], -1)
    values[: height // 4, : width // 4] = 250
    return values.astype(np.uint8)


PICTURE = Image.fromarray(scene(48, 72))


def refusal(cell: str, folder: Path, options: Options = GREY) -> str:
    with pytest.raises(MediaError) as error:
        decode(cell, folder, options)
    return str(error.value)


def stored(picture: Image.Image, path: Path, options: Options = COLOUR, **how: object) -> Decoded:
    picture.save(path, **how)
    return decode(path.name, path.parent, options)


@pytest.mark.parametrize(
    ("name", "how"), [("a.bmp", {}), ("a.webp", {"lossless": True}), ("a.tif", {"compression": "tiff_lzw"}), ("png.jpg", {"format": "PNG"})]
)
def test_the_format_does_not_matter(tmp_path: Path, name: str, how: dict) -> None:
    png, other = stored(PICTURE, tmp_path / "a.png"), stored(PICTURE, tmp_path / name, **how)
    expected = np.asarray(PICTURE.resize((12, 8), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert (png.value == expected).all() and png.size == {"width": 72, "height": 48} and png.length == 1 and not png.notes
    assert (other.value == png.value).all() and other.digest == png.digest and other.look == png.look


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif", "a.webp"])
def test_pictures_stand_upright(tmp_path: Path, orientation: int, name: str) -> None:
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    lying = PICTURE if orientation == 1 else PICTURE.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = stored(lying, tmp_path / name, exif=exif, **({"quality": 95} if name == "a.jpg" else {}))
    expected = stored(PICTURE, tmp_path / "upright.png")
    assert np.abs(found.value.astype(int) - expected.value).max() < 12
    assert found.size == {"width": 72, "height": 48}


def test_an_orientation_that_cannot_be_read_is_noted(tmp_path: Path) -> None:
    found = stored(PICTURE, tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\x7fgarbage")
    assert found.value.shape == (3, 8, 12)


@pytest.mark.parametrize("ground", [255, 0, 77])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_transparent_shows_the_ground(tmp_path: Path, ground: int, channels: int) -> None:
    options = Options(height=4, width=4, channels=channels, ground=ground)
    half = np.full((8, 8, 4), 200, np.uint8)
    half[:, 4:, 3], half[:, :4, 3] = 0, 255
    clear = Image.fromarray(half)
    palette = Image.fromarray(np.repeat(np.uint8([[0] * 4 + [1] * 4]), 8, 0), "P")
    palette.putpalette([200, 200, 200, 10, 20, 30])
    keyed = Image.fromarray(np.repeat(np.uint8([[200] * 4 + [9] * 4]), 8, 0))
    for picture, how in ((clear, {}), (clear.convert("LA"), {}), (palette, {"transparency": 1}), (keyed, {"transparency": 9})):
        found = stored(picture, tmp_path / "a.png", options, **how).value
        assert (found[:, :, :1] == 200).all() and (found[:, :, -1:] == ground).all(), picture.mode
    deep = Image.fromarray(np.asarray(keyed).astype(np.uint16) * 257)
    assert (stored(deep, tmp_path / "a.png", options, transparency=9 * 257).value[:, :, -1:] == ground).all()


@pytest.mark.parametrize("name", ["a.png", "a.tif", "big_endian.tif"])
def test_16_bits_are_scaled(tmp_path: Path, name: str) -> None:
    ramp = np.linspace(0, 65535, 4 * 4).round().reshape(4, 4)
    picture = Image.fromarray(ramp.astype(">u2" if "big" in name else "<u2"))
    found = stored(picture, tmp_path / name, Options(height=4, width=4))
    assert np.abs(found.value[0].astype(float) - ramp / 257).max() <= 0.5


def test_floats_need_a_known_range(tmp_path: Path) -> None:
    ramp = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    found = stored(Image.fromarray(ramp), tmp_path / "a.tif", Options(height=4, width=4))
    assert np.abs(found.value[0] - ramp * 255).max() <= 0.5
    for bad in (ramp * 255, ramp - 0.1, np.where(ramp == 0, np.nan, ramp).astype(np.float32)):
        Image.fromarray(bad).save(tmp_path / "b.tif")
        assert "floats must lie in 0 (black) to 1 (white)" in refusal("b.tif", tmp_path)
    Image.fromarray(np.arange(16, dtype=np.int32).reshape(4, 4) * 9999).save(tmp_path / "c.tif")
    assert "more than 16 bits" in refusal("c.tif", tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "RGB", "LA", "RGBA", "YCbCr"])
@pytest.mark.parametrize("options", [GREY, COLOUR], ids=["grey", "colour"])
def test_every_mode_is_right(tmp_path: Path, mode: str, options: Options) -> None:
    picture = PICTURE.convert(mode)
    found = stored(picture, tmp_path / "a.tif", options)
    expected = picture.convert("RGB").convert("L" if options.channels == 1 else "RGB").resize((12, 8), Image.Resampling.BILINEAR)
    assert np.abs(found.value.astype(int) - np.asarray(expected).reshape(8, 12, -1).transpose(2, 0, 1)).max() <= 3


def test_of_an_animation_the_first_frame(tmp_path: Path) -> None:
    black = Image.new("RGB", (72, 48))
    for name in ("a.gif", "a.png", "a.webp", "a.tif"):
        found = stored(
            PICTURE, tmp_path / name, save_all=True, append_images=[black, black], **({"lossless": True} if "webp" in name else {})
        )
        assert found.notes == ("only the first picture of a file of several is used",)
        assert found.value.mean() > 80


def test_proportions(tmp_path: Path) -> None:
    """A wide picture: white with a black middle of its height."""
    values = np.full((20, 60), 255, np.uint8)
    values[:, 20:40] = 0
    picture = Image.fromarray(values)
    made = {
        fit: stored(picture, tmp_path / "a.png", Options(height=10, width=10, fit=fit, ground=100)).value[0]
        for fit in ("stretch", "crop", "pad")
    }
    assert (made["crop"] < 60).all()
    assert (made["pad"][[0, 1, -1]] == 100).all() and made["pad"][5, 0] == 255 and made["pad"][5, 5] < 60
    assert made["stretch"][0, 0] == 255 and made["stretch"][0, 5] < 60


@settings(deadline=None, derandomize=True, max_examples=80)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from(["stretch", "crop", "pad"]),
    st.sampled_from([1, 3]),
    st.sampled_from(["L", "RGBA", "P"]),
)
@example(1, 5000, "pad", 1, "L")
@example(5000, 1, "pad", 3, "RGBA")
def test_any_size_fits(tmp_path_factory: pytest.TempPathFactory, width: int, height: int, fit: str, channels: int, mode: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fits.png"
    options = Options(height=6, width=9, channels=channels, fit=fit)
    found = stored(Image.new(mode, (width, height), 7), path, options)
    assert found.value.shape == (channels, 6, 9) and found.value.dtype == np.uint8
    assert found.size == {"width": width, "height": height} and found.look == b""
    assert stored(Image.open(path), path.with_name("again.png"), options).digest == found.digest


@pytest.mark.parametrize("options", [GREY, COLOUR, Options(height=40, width=40, channels=3, fit="crop")], ids=["grey", "colour", "crop"])
def test_a_large_jpeg_is_read_smaller_with_nearly_the_same_result(tmp_path: Path, options: Options) -> None:
    large = Image.fromarray(scene(480, 720))
    found, again = stored(large, tmp_path / "a.jpg", options, quality=92), decode("a.jpg", tmp_path, options)
    whole = stored(Image.open(tmp_path / "a.jpg"), tmp_path / "a.png", options)
    assert np.abs(found.value.astype(int) - whole.value).max() <= 6
    assert found.size == whole.size == {"width": 720, "height": 480} and found.digest == again.digest
    # 16 x 16 bits, of which few turn
    assert np.unpackbits(np.frombuffer(found.look, np.uint8) ^ np.frombuffer(whole.look, np.uint8)).sum() <= 12


def test_looks_of_the_same_scene_are_near_and_of_others_far(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    looks = [
        np.frombuffer(stored(picture, tmp_path / "a.png").look, np.uint8)
        for picture in (
            PICTURE,
            PICTURE.resize((300, 200)),
            ImageOps.mirror(PICTURE),
            Image.fromarray(noise.integers(0, 256, (48, 72, 3), np.uint8)),
        )
    ]
    far = [int(np.unpackbits(looks[0] ^ other).sum()) for other in looks]
    assert far[0] == 0 and far[1] <= 12 and far[2] > 60 and far[3] > 60


def test_pixels_are_limited_before_they_are_decoded(tmp_path: Path) -> None:
    options = Options(max_pixels=3000)
    PICTURE.save(tmp_path / "a.png")
    assert refusal("a.png", tmp_path, options) == "a.png is 72 x 48 pixels, more than max_pixels = 3000 allows"
    # 2.5 thousand million pixels, promised by 33 bytes of header
    header = bytearray((tmp_path / "a.png").read_bytes())
    header[16:24] = (50_000).to_bytes(4, "big") * 2
    header[29:33] = zlib.crc32(header[12:29]).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(header)
    assert "50000 x 50000" in refusal("bomb.png", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # between Pillow's warning and its error
        Image.new("1", (12_000, 9_000)).save(tmp_path / "large.png")
        assert "12000 x 9000" in refusal("large.png", tmp_path)
        assert decode("large.png", tmp_path, Options(max_pixels=2 * 10**8)).size["width"] == 12_000


def test_files_that_are_no_pictures(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    PICTURE.save(tmp_path / "a.jpg")
    whole = {name: (tmp_path / name).read_bytes() for name in ("a.png", "a.jpg")}
    contents = {
        "empty.png": b"",
        "page.jpg": b"\n<!DOCTYPE html><title>404</title>",
        "text.png": b"id,label\n1,cat\n",
        "zero.png": bytes(4000),
        "lfs.png": b"version https://git-lfs.github.com/spec/v1\n",
        "half.png": whole["a.png"][: len(whole["a.png"]) // 2],
        "half.jpg": whole["a.jpg"][: len(whole["a.jpg"]) // 2],
        "sound.png": b"RIFF\0\0\0\0WAVEfmt ",
        "archive.png": b"PK\x03\x04rest",
        "drawing.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
    }
    said = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        said[name] = refusal(name, tmp_path)
        assert said[name].startswith(name) and "\n" not in said[name] and "<_io" not in said[name]
    assert said["empty.png"].endswith("is empty: it has 0 bytes")
    assert "HTML" in said["page.jpg"] and "text" in said["text.png"] and "zero bytes" in said["zero.png"] and "LFS" in said["lfs.png"]
    assert "truncated" in said["half.jpg"].lower() and "a sound" in said["sound.png"] and "archive" in said["archive.png"]


def test_flipped_bytes_of_a_png_are_found(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    flips = random.Random(0)
    for _ in range(20):
        damaged = bytearray(content)
        damaged[flips.randrange(41, len(content) - 16)] ^= 1 << flips.randrange(8)
        (tmp_path / "b.png").write_bytes(damaged)
        assert refusal("b.png", tmp_path).startswith("b.png is no picture that can be read")


def test_rows_of_an_array(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (5, 8, 12, 3), np.uint8)
    np.save(tmp_path / "colour.npy", values)
    np.save(tmp_path / "grey.npy", values[..., 0])
    assert (decode("colour.npy#3", tmp_path, COLOUR).value == values[3].transpose(2, 0, 1)).all()
    assert (decode("grey.npy#0", tmp_path, GREY).value[0] == values[0, :, :, 0]).all()
    assert (decode(f"{tmp_path}/grey.npy#4", Path("elsewhere"), COLOUR).value[2] == values[4, :, :, 0]).all()
    assert decode("colour.npy#3", tmp_path, COLOUR).digest == stored(Image.fromarray(values[3]), tmp_path / "a.png").digest
    np.save(tmp_path / "new.npy", values[:2, :, :, 1])
    (tmp_path / "new.npy").replace(tmp_path / "grey.npy")
    assert (decode("grey.npy#1", tmp_path, GREY).value[0] == values[1, :, :, 1]).all(), "an old file was remembered"


def test_arrays_that_hold_no_pictures(tmp_path: Path) -> None:
    np.save(tmp_path / "float.npy", np.zeros((2, 4, 4)))
    np.save(tmp_path / "flat.npy", np.zeros((2, 4), np.uint8))
    np.save(tmp_path / "five.npy", np.zeros((2, 4, 4, 5), np.uint8))
    np.save(tmp_path / "object.npy", np.array([[[{}]]]), allow_pickle=True)
    np.save(tmp_path / "good.npy", np.zeros((2, 4, 4), np.uint8))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-7])
    (tmp_path / "text.npy").write_text("no array")
    said = {name: refusal(f"{name}.npy#1", tmp_path) for name in ("float", "flat", "five", "object", "cut", "text", "absent")}
    assert (
        "float64 of 3 axes; it must be uint8 of 3 or 4" in said["float"]
        and "2 axes" in said["flat"]
        and "1, 3 or 4 channels" in said["five"]
    )
    assert "Python objects" in said["object"] and "cut.npy is no array" in said["cut"] and "looks like text" in said["text"]
    assert said["absent"] == f"there is no file {tmp_path}/absent.npy"
    assert refusal("good.npy#2", tmp_path) == "good.npy has no row 2: it holds 2, counted from 0"
    assert refusal("good.npy#1", tmp_path, Options(max_pixels=9)).startswith("good.npy#1 is 4 x 4 pixels")


def test_no_state_is_left_behind(tmp_path: Path) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    (tmp_path / "a.png").write_bytes(b"no picture")
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        refusal("a.png", tmp_path)
    assert limit == Image.MAX_IMAGE_PIXELS and len(list(Path("/proc/self/fd").iterdir())) == open_files
