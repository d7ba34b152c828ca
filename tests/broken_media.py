"""Media as people really have them: broken, mislabelled or merely strange. Each case is a cell of one table, and what becomes of it."""

import json
import os
import socket
import struct
import unicodedata
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from PIL import Image

LEVEL = 100
"""Grey of every picture of which nothing else is said."""
HEARD = 0.25 * 32768 / 2**0.5
"""Root mean square of `TONE` as int16."""
RATE, SECONDS, FRAMES = 8000, 0.5, 4
"""What sounds and clips are turned into."""
SAMPLES = 4000
TONE = 0.25 * np.sin(2 * np.pi * 440 * np.arange(SAMPLES) / RATE)
ONE_OF_SEVERAL = "only the first picture of a file of several is used"
CLIPPED = "samples beyond full scale are clipped"


@dataclass(frozen=True)
class Case:
    """One cell among good ones."""

    name: str
    """Also the row's id."""
    column: str
    """picture, sound, clip or text."""
    cell: Any
    """As the table has it."""
    make: Callable[[Path], object]
    """Puts what the cell names into the folder of the table."""
    refused: str | None = None
    """Words of the reason why the row is rejected; None where it is used."""
    value: Any = None
    """Of a row that is used: the grey of a picture (or of its four corners) or of a clip's real frames, a sound's root mean square, the
    text; None where the cell counts as missing."""
    length: int = 1
    """Samples of a sound."""
    note: str = ""
    """What the summary says of it."""


def kept(column: str, name: str, content: bytes, value: Any, cell: str | None = None, file: str | None = None, **more: Any) -> Case:
    """A file that is used. The cell is its path, unless it spells it otherwise; of cases without any, each has a name of its own."""
    written = file or cell or f"{column}s/{zlib.crc32(name.encode())}"

    def make(home: Path) -> None:
        (home / written).parent.mkdir(parents=True, exist_ok=True)
        (home / written).write_bytes(content)

    return Case(name, column, written if cell is None else cell, make, **{"value": value} | more)


def bad(column: str, name: str, content: bytes, words: str, row: str = "") -> Case:
    """A file that cannot be used; `row` is that of an array."""
    file = f"{column}s/{zlib.crc32(name.encode())}" + (".npy" if row else "")
    return kept(column, name, content, None, f"{file}{row}", file, refused=words)


def refused(column: str, name: str, cell: Any, words: str, make: Callable[[Path], object] = lambda home: None) -> Case:
    """A cell that names no usable file."""
    return Case(name, column, cell, make, words)


# ---------------------------------------------------------------- pictures


def stored(picture: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    file = BytesIO()
    picture.save(file, kind, **how)
    return file.getvalue()


def plain(level: Any = LEVEL, mode: str = "L", size: tuple[int, int] = (20, 16)) -> Image.Image:
    return Image.new(mode, size, level)


def noise(size: int = 64) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8))


def several(kind: str) -> bytes:
    return stored(plain(), kind, save_all=True, append_images=[plain(200)], **({"lossless": True} if kind == "WEBP" else {}))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, packed: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", header), *more, chunk(b"IDAT", packed), chunk(b"IEND", b"")])


def zeros(count: int) -> bytes:
    """So many zero bytes, packed; made piece by piece."""
    packer, piece = zlib.compressobj(1), bytes(1 << 20)
    return b"".join([packer.compress(piece) for _ in range(count >> 20)] + [packer.compress(bytes(count % (1 << 20))), packer.flush()])


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes, places: Iterable[int]) -> bytes:
    changed = bytearray(content)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def npy(array: np.ndarray, pickled: bool = False) -> bytes:
    file = BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def turned() -> bytes:
    """Dark on the left; by its EXIF orientation, dark at the top."""
    picture, exif = plain(0), Image.Exif()
    picture.paste(200, (10, 0, 20, 16))
    exif[0x0112] = 6
    return stored(picture, "PNG", exif=exif)


def unsized_gif(width: int, height: int) -> bytes:
    content = bytearray(stored(plain(), "GIF"))
    content[6:10] = struct.pack("<HH", width, height)
    return bytes(content)


HTML = b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
PNG, JPEG = stored(noise()), stored(noise(), "JPEG")
GREY16 = Image.fromarray(np.full((16, 20), LEVEL * 257, np.uint16))
ARRAY = np.stack([np.full((6, 5), level, np.uint8) for level in (10, LEVEL)])


def pictures() -> list[Case]:
    """All cases of pictures."""
    return [*strange_pictures(), *named_pictures(), *array_pictures(), *broken_pictures(), *no_pictures()]


def strange_pictures() -> list[Case]:
    clear = plain(0, "P")
    clear.putpalette([0, 0, 0] + [9] * 765)
    turning = stored(plain(), "PNG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x02\0\xff\xff\xff\xff\xff\xff\xff\xff")
    table: list[tuple[str, bytes, Any, str]] = [
        ("transparent black is the ground", stored(plain((0, 0, 0, 0), "RGBA")), 255, ""),
        ("half transparent black is half the ground", stored(plain((0, 0, 0, 128), "RGBA")), 127, ""),
        ("grey with alpha", stored(plain((LEVEL, 128), "LA")), 177, ""),
        ("transparent colour of a palette", stored(clear, "PNG", transparency=0), 255, ""),
        ("transparent grey level", stored(plain(0), "PNG", transparency=0), 255, ""),
        ("transparent WebP", stored(plain((0, 0, 0, 0), "RGBA"), "WEBP", lossless=True, exact=True), 255, ""),
        ("transparent GIF", stored(clear, "GIF", transparency=0), 255, ""),
        ("16-bit PNG", stored(GREY16), LEVEL, ""),
        ("16-bit TIFF", stored(GREY16, "TIFF"), LEVEL, ""),
        ("float TIFF from 0 to 1", stored(Image.fromarray(np.full((16, 20), 0.4, np.float32)), "TIFF"), 102, ""),
        ("CMYK JPEG", stored(plain((0, 0, 0, 155), "CMYK"), "JPEG"), LEVEL, ""),
        ("1 bit", stored(plain(1, "1")), 255, ""),
        ("red", stored(plain((255, 0, 0), "RGB")), 76, ""),
        ("orientation in EXIF", turned(), (0, 0, 200, 200), ""),
        ("EXIF that is no EXIF", turning, LEVEL, ""),
        ("animated GIF", several("GIF"), LEVEL, ONE_OF_SEVERAL),
        ("animated PNG", several("PNG"), LEVEL, ONE_OF_SEVERAL),
        ("animated WebP", several("WEBP"), LEVEL, ONE_OF_SEVERAL),
        ("TIFF of two pages", several("TIFF"), LEVEL, ONE_OF_SEVERAL),
        ("one pixel", stored(plain(size=(1, 1))), LEVEL, ""),
        ("1 x 5000 pixels", stored(plain(size=(1, 5000))), LEVEL, ""),
        ("5000 x 1 pixels", stored(plain(size=(5000, 1)), "TIFF"), LEVEL, ""),
        ("all black", stored(plain(0)), 0, ""),
        ("progressive JPEG", stored(plain(), "JPEG", progressive=True), LEVEL, ""),
        ("JPEG with more behind its end", stored(plain(), "JPEG") + b"more" * 99, LEVEL, ""),
        ("PNG without the checksum of its end", stored(plain())[:-4], LEVEL, ""),
        (
            "PNG of whole checksums that lacks its lower half",
            png(40, 40, zlib.compress((b"\0" + bytes([LEVEL] * 40)) * 20)),
            (LEVEL, LEVEL, 0, 0),
            "",
        ),
        ("compressed TIFF", stored(plain(), "TIFF", compression="tiff_lzw"), LEVEL, ""),
        ("a comment in Chinese", stored(plain(), "JPEG", comment="猫".encode()), LEVEL, ""),
    ]
    return [kept("picture", name, content, value, note=note) for name, content, value, note in table]


def named_pictures() -> list[Case]:
    grey, nfc = stored(plain()), "caf\u00e9 \u3070.png"
    nfd = unicodedata.normalize("NFD", nfc)
    names = [
        *(
            "plain.png",
            "two words.png",
            'it\'s "quoted".png',
            "猫🐈\u200d⬛.png",
            "a#b%20c.png",
            "-dash.png",
            "line\nbreak.png",
            "UPPER.PNG",
        ),
        *("comma,semi;colon.png", "concat:x.png", "a.npy", ".hidden", "שלום.png", "$HOME.png", "None", "%s{}.png", "png" * 80, "nosuffix"),
    ]
    spelt = [
        ("JPEG named .png", "named/jpeg.png", "named/jpeg.png"),
        ("picture named .wav", "named/a.wav", "named/a.wav"),
        ("accents: one sign in the table, two on disk", f"nfd/{nfc}", f"nfd/{nfd}"),
        ("accents: two signs in the table, one on disk", f"nfc/{nfd}", f"nfc/{nfc}"),
        ("space around the path", "  named/space.png \t", "named/space.png"),
        ("dots in the path", "named/../named/./../../{folder}/named/dots.png", "named/dots.png"),
        ("back slashes", "named\\back.png", "named/back.png"),
        ("absolute path", "{home}/named/absolute.png", "named/absolute.png"),
    ]
    jpeg = stored(plain(), "JPEG")
    return [
        *(kept("picture", f"name {name[:24]!r}", grey, LEVEL, f"names/{name}") for name in names),
        *(kept("picture", name, jpeg if "JPEG" in name else grey, LEVEL, cell, file) for name, cell, file in spelt),
        Case("link to a file", "picture", "link", lambda home: (home / "link").symlink_to("names/plain.png"), value=LEVEL),
    ]


def array_pictures() -> list[Case]:
    words = "channels"
    return [
        kept("picture", "row of an array", npy(ARRAY), LEVEL, "arrays/a.npy#1", "arrays/a.npy"),
        kept("picture", "row of an array in Fortran's order", npy(np.asfortranarray(ARRAY)), LEVEL, "arrays/f.npy#1", "arrays/f.npy"),
        kept("picture", "row of an array with channels", npy(ARRAY[..., None]), LEVEL, "arrays/c.npy#0001", "arrays/c.npy"),
        bad("picture", "row out of range", npy(ARRAY), "has no row 2: it holds 2, counted from 0", "#2"),
        bad("picture", "row of a huge number", npy(ARRAY), "has no row 999999999999", "#999999999999"),
        bad("picture", "row of an array without rows", npy(ARRAY[:0]), "has no row 0: it holds 0", "#0"),
        bad("picture", "array of floats", npy(ARRAY / 255), "float64 of 3 axes; it must be uint8", "#0"),
        bad("picture", "array of two axes", npy(ARRAY[0]), "uint8 of 2 axes", "#0"),
        bad("picture", "array of five channels", npy(np.zeros((2, 4, 4, 5), np.uint8)), words, "#0"),
        bad("picture", "array of pictures without pixels", npy(np.zeros((2, 0, 4), np.uint8)), words, "#0"),
        bad("picture", "pickled array", npy(np.array([{}, 1], object), True), "is no array that can be read", "#0"),
        bad("picture", "array cut in half", halved(npy(ARRAY)), "is no array that can be read", "#0"),
        bad("picture", "array that is text", b"1 2 3\n", "it looks like text", "#0"),
        bad("picture", "empty array file", b"", "is empty: it has 0 bytes", "#0"),
        refused("picture", "array that is not there", "none.npy#0", "there is no file {home}/none.npy"),
        refused("picture", "row of a negative number", "arrays/a.npy#-1", "there is no file {home}/arrays/a.npy#-1"),
    ]


def broken_pictures() -> list[Case]:
    large = stored(plain(size=(12_000, 9_000), mode="1", level=0))
    table = [
        ("PNG cut in half", halved(PNG), "is no picture that can be read"),
        ("JPEG cut in half", halved(JPEG), "truncated"),
        ("GIF cut in half", halved(stored(noise(), "GIF")), "is no picture that can be read"),
        ("WebP cut in half", halved(stored(noise(), "WEBP")), "is no picture that can be read"),
        ("TIFF cut in half", halved(stored(noise(), "TIFF")), "is no picture that can be read"),
        ("BMP cut in half", halved(stored(noise(), "BMP")), "truncated"),
        ("PNG with flipped bytes", flipped(PNG, (len(PNG) // 2,)), "is no picture that can be read"),
        ("PNG with a flipped width", flipped(PNG, (19,)), "is no picture that can be read"),
        ("PNG signature alone", PNG[:8], "is no picture that can be read"),
        ("JPEG signature alone", JPEG[:2], "is no picture that can be read"),
        ("PNG of no width", png(0, 4, zeros(4)), "is no picture that can be read"),
        ("PNG whose rows are no zlib", png(40, 40, b"nonsense" * 9), "is no picture that can be read"),
        ("PNG header alone, of 50,000 x 50,000", png(50_000, 50_000, b"")[:33], "is no picture that can be read"),
        (
            "PNG of 50,000 x 50,000 by its header",
            png(50_000, 50_000, zeros(9)),
            "is 50000 x 50000 pixels, more than max_pixels = 100000000 allows",
        ),
        ("PNG bomb", png(11_000, 11_000, zeros(11_001 * 11_000)), "is 11000 x 11000 pixels, more than max_pixels"),
        ("PNG with a bomb in a comment", png(4, 4, zeros(20), chunk(b"zTXt", b"a\0\0" + zeros(1 << 27))), "is no picture that can be read"),
        ("1-bit picture of 108 million pixels", large, "is 12000 x 9000 pixels, more than max_pixels"),
        ("GIF of 65,535 x 65,535 by its header", unsized_gif(65_535, 65_535), "is 65535 x 65535 pixels"),
        (
            "float TIFF of any numbers",
            stored(Image.fromarray(np.linspace(-5, 7, 64, dtype=np.float32).reshape(8, 8)), "TIFF"),
            "from -5 to 7",
        ),
        ("float TIFF with NaN", stored(Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF"), "floats must lie in 0"),
        ("TIFF of 32-bit numbers", stored(Image.fromarray(np.full((8, 8), 9, np.int32)), "TIFF"), "whole numbers of more than 16 bits"),
    ]
    return [bad("picture", name, content, words) for name, content, words in table]


def no_pictures() -> list[Case]:
    contents = [
        ("file of 0 bytes", b"", "is empty: it has 0 bytes"),
        ("HTML as picture", HTML, "it looks like an HTML page"),
        ("pointer of Git LFS", POINTER, "`git lfs pull` fetches the file itself"),
        ("text as picture", b"not a picture\n", "it looks like text"),
        ("SVG", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "it is none of PNG, JPEG, WEBP, GIF, BMP, TIFF"),
        ("portable pixmap", b"P5 2 2 255\n\0\1\2\3", "it is none of PNG"),
        ("PostScript", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is none of PNG"),
        ("PDF as picture", b"%PDF-1.7\n\xe2\xe3", "it looks like a PDF"),
        ("archive as picture", b"PK\x03\x04" + bytes(30), "it looks like an archive"),
        ("sound as picture", wave(TONE), "it looks like a sound"),
        ("clip as picture", film([LEVEL]), "it looks like a clip"),
        ("array without a row", npy(ARRAY), "it looks like an array of NumPy"),
        ("zero bytes as picture", bytes(100), "begins with zero bytes only"),
    ]
    return [*(bad("picture", name, content, words) for name, content, words in contents), *places("picture")]


# ---------------------------------------------------------------- what is no regular file


def places(column: str) -> list[Case]:
    """Cells of any column of media that name no file, or one that must not be opened."""
    pipe, folder, loop, dangling, closed = (f"{column}s-{name}" for name in ("pipe", "folder", "loop", "dangling", "closed"))
    cases = [
        ("no such file", "gone.bin", "there is no file {home}/gone.bin", nothing),
        ("dangling link", dangling, f"there is no file {{home}}/{dangling}", lambda home: (home / dangling).symlink_to("nowhere")),
        ("loop of links", loop, "Too many levels of symbolic links", lambda home: (home / loop).symlink_to(loop)),
        ("folder", folder, "is a folder", lambda home: (home / folder).mkdir()),
        ("the table's own folder", ".", ". is a folder", nothing),
        ("named pipe", pipe, "is no regular file", lambda home: os.mkfifo(home / pipe)),
        ("socket", f"{column}s-s", "is no regular file", lambda home: bound(home / f"{column}s-s")),
        ("device that never ends", "/dev/zero", "/dev/zero is no regular file", nothing),
        ("name of 5,000 letters", "x" * 5000, "File name too long", nothing),
        ("path through a file", "table.jsonl/below", "there is no file {home}/table.jsonl/below", nothing),
        ("home of a shell", "~/a.png", "there is no file {home}/~/a.png", nothing),
        ("drive of Windows", "C:\\media\\a.png", "there is no file {home}/C:", nothing),
        ("address", "https://example.org/a.png", "'https://example.org/a.png' is an address, not a file", nothing),
        ("address of a file", "file:///etc/hostname", "is an address, not a file", nothing),
        ("list of files for FFmpeg", "concat:a.mp4|b.mp4", "there is no file {home}/concat:a.mp4|b.mp4", nothing),
        ("NUL in the path", "a\0b", "holds a NUL character", nothing),
        ("name that is no text", "caf\udce9", "holds half a character (a lone surrogate)", nothing),
        ("object as path", {"path": "a.png"}, "a nested object where text is needed", nothing),
        ("file that may not be read", closed, "permission denied", lambda home: locked(home / closed)),
    ]
    if os.geteuid() == 0:
        # root may read everything
        cases.pop()
    return [refused(column, f"{name} ({column})", cell, words, make) for name, cell, words, make in cases]


def nothing(home: Path) -> None:
    """No file is made."""


def bound(path: Path) -> None:
    # the path of a socket has 107 letters at most
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)
        server.bind(path.name)
        os.chdir(before)


def locked(path: Path) -> None:
    path.write_bytes(b"x")
    path.chmod(0)


# ---------------------------------------------------------------- sounds


def wave(sound: np.ndarray, rate: int = RATE, kind: str = "WAV", **how: Any) -> bytes:
    file = BytesIO()
    soundfile.write(file, sound, rate, format=kind, **how)
    return file.getvalue()


def tone(rate: int, seconds: float = SECONDS) -> np.ndarray:
    return 0.25 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)


def patched(content: bytes, place: int, form: str, value: int) -> bytes:
    changed = bytearray(content)
    struct.pack_into(form, changed, place, value)
    return bytes(changed)


def sounds() -> list[Case]:
    """All cases of sounds."""
    return [*strange_sounds(), *broken_sounds(), *places("sound")]


def strange_sounds() -> list[Case]:
    wav, long = wave(TONE), tone(RATE, 3)
    flac, mp3 = wave(long, kind="FLAC"), wave(long, kind="MP3")
    listed = wav[:12] + b"LIST\x03\0\0\0abc\0" + wav[12:]
    table: list[tuple[str, bytes, float, int, str]] = [
        ("8 kHz", wav, HEARD, SAMPLES, ""),
        ("192 kHz", wave(tone(192_000), 192_000), HEARD, SAMPLES, ""),
        ("11,025 Hz", wave(tone(11_025), 11_025), HEARD, SAMPLES, ""),
        ("six channels", wave(np.stack([TONE] * 6, 1)), HEARD, SAMPLES, ""),
        ("channels that cancel out", wave(np.stack([TONE, -TONE], 1)), 0, SAMPLES, ""),
        ("8-bit numbers", wave(TONE, subtype="PCM_U8"), HEARD, SAMPLES, ""),
        ("24-bit numbers", wave(TONE, subtype="PCM_24"), HEARD, SAMPLES, ""),
        ("32-bit floats", wave(TONE, subtype="FLOAT"), HEARD, SAMPLES, ""),
        ("64-bit floats", wave(TONE, subtype="DOUBLE"), HEARD, SAMPLES, ""),
        ("mu-law", wave(TONE, subtype="ULAW"), HEARD, SAMPLES, ""),
        ("A-law", wave(TONE, subtype="ALAW"), HEARD, SAMPLES, ""),
        ("ADPCM", wave(TONE, subtype="MS_ADPCM"), HEARD, SAMPLES, ""),
        ("AIFF", wave(TONE, kind="AIFF"), HEARD, SAMPLES, ""),
        ("FLAC", wave(TONE, kind="FLAC"), HEARD, SAMPLES, ""),
        ("Vorbis", wave(long, kind="OGG"), HEARD, SAMPLES, ""),
        ("Opus", wave(long, kind="OGG", subtype="OPUS"), HEARD, SAMPLES, ""),
        ("MP3", mp3, HEARD, SAMPLES, ""),
        ("one sample", wave(np.array([0.25])), 8192, 1, ""),
        ("silence", wave(np.zeros(SAMPLES)), 0, SAMPLES, ""),
        ("floats beyond full scale", wave(np.full(SAMPLES, 2.0), subtype="FLOAT"), 32767, SAMPLES, CLIPPED),
        ("longer than asked for", wave(tone(RATE, 30)), HEARD, SAMPLES, ""),
        ("shorter than asked for", wave(TONE[:200]), HEARD, 200, ""),
        ("size unknown, as written to a pipe", patched(wav, 40, "<I", 2**32 - 1), HEARD, SAMPLES, ""),
        ("size of 0, as after a crash", patched(wav, 40, "<I", 0), HEARD, SAMPLES, ""),
        ("chunk of odd size before the sound", listed, HEARD, SAMPLES, ""),
        ("FLAC cut behind what is kept", flac[: len(flac) * 9 // 10], HEARD, SAMPLES, ""),
        ("MP3 cut behind what is kept", mp3[: len(mp3) * 9 // 10], HEARD, SAMPLES, ""),
        ("sound track of a clip", film([LEVEL] * 4, sound=tone(RATE, 1)), HEARD, SAMPLES, ""),
    ]
    rows = npy(np.stack([np.zeros(SAMPLES), TONE * 32768]).astype(np.int16))
    return [
        *(kept("sound", name, content, value, length=length, note=note) for name, content, value, length, note in table),
        kept("sound", "WAV named .mp3", wav, HEARD, "named/a.mp3", length=SAMPLES),
        kept("sound", "MP3 named .raw", mp3, HEARD, "named/a.raw", length=SAMPLES),
        kept("sound", "row of sounds", rows, HEARD, "arrays/s.npy#1@8000", "arrays/s.npy", length=SAMPLES),
    ]


def broken_sounds() -> list[Case]:
    wav, long = wave(TONE), tone(RATE, 3)
    ogg, flac, mp3 = (wave(long, kind=kind) for kind in ("OGG", "FLAC", "MP3"))
    table = [
        ("file of 0 bytes as sound", b"", "is empty: it has 0 bytes"),
        ("text named .wav", b"not a sound\n", "it looks like text"),
        ("HTML as sound", HTML, "it looks like an HTML page"),
        ("picture as sound", PNG, "it looks like a picture"),
        ("header alone", wave(np.zeros(0)), "sound"),
        ("AIFF of 0 samples", wave(np.zeros(0), kind="AIFF"), "sound"),
        ("header cut at 30 bytes", wav[:30], "is no sound that can be read"),
        ("four letters", b"RIFF", "is no sound that can be read"),
        ("WAV cut in half", halved(wav), "is cut short: its header promises 8000 bytes of sound, but 3978 are there"),
        ("AIFF cut in half", halved(wave(TONE, kind="AIFF")), "is cut short: its header promises"),
        ("FLAC cut in its header", flac[:30], "is no sound that can be read"),
        ("FLAC cut within what is kept", flac[: len(flac) // 8], "sound"),
        ("MP3 cut in its first frame", mp3[:200], "is no sound that can be read"),
        ("MP3 cut within what is kept", mp3[: len(mp3) * 3 // 10], "is cut short: its header promises"),
        ("Vorbis cut in its header", ogg[:200], "is no sound that can be read"),
        ("Vorbis cut within what is kept", ogg[: len(ogg) // 2], "sound"),
        ("Vorbis with flipped bytes", flipped(ogg, range(100, len(ogg), 50)), "is no sound that can be read"),
        ("samples that are NaN", wave(np.full(400, np.nan), subtype="FLOAT"), "holds samples that are not numbers"),
        ("one sample that is infinite", wave(np.array([0, np.inf, 0]), subtype="DOUBLE"), "holds samples that are not numbers"),
        ("no channels", patched(wav, 22, "<H", 0), "is no sound that can be read"),
        ("60,000 channels", patched(wav, 22, "<H", 60_000), "is no sound that can be read"),
        ("rate of 0", patched(wav, 24, "<I", 0), "is no sound that can be read"),
        ("rate of 2 GHz", patched(wav, 24, "<I", 2_000_000_000), "has a rate of 2000000000 Hz"),
        ("rate of 1 Hz", patched(wav, 24, "<I", 1), "has a rate of 1 Hz"),
        ("clip without sound", film([LEVEL] * 4), "there is no sound in it"),
        ("list of sounds", b"#EXTM3U\n/etc/hostname\n", "is no sound that can be read"),
        ("MIDI", b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk\0\0\0\0", "is no sound that can be read"),
    ]
    arrays = [
        ("array without a rate", npy(np.zeros((2, 9), np.int16)), "a rate is missing", "#0"),
        ("array of bytes as sound", npy(ARRAY[0]), "uint8 of 2 axes; it must be int16", "#0@8000"),
        ("array of sounds of no samples", npy(np.zeros((2, 0), np.int16)), "holds no sound: it has 0 samples", "#0@8000"),
        ("array with a rate of 0", npy(np.zeros((2, 9), np.int16)), "has a rate of 0 Hz", "#0@0"),
    ]
    return [
        *(bad("sound", name, content, words) for name, content, words in table),
        *(bad("sound", name, content, words, row) for name, content, words, row in arrays),
    ]


# ---------------------------------------------------------------- clips


def film(
    levels: list[int],
    kind: str = "mp4",
    codec: str = "mpeg4",
    size: tuple[int, int] = (32, 24),
    sound: np.ndarray | None = None,
    times: list[int] | None = None,
) -> bytes:
    """A clip whose frames are grey of these levels, ten a second or at these milliseconds, with a sound track if asked for."""
    file = BytesIO()
    with av.open(file, "w", format=kind) as container:
        if levels:
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if times:
                stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        track = None if sound is None else container.add_stream("aac", rate=RATE, layout="mono")
        for place, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), level, np.uint8))
            if times:
                frame.pts, frame.time_base = times[place], Fraction(1, 1000)
            container.mux(stream.encode(frame))
        if levels:
            container.mux(stream.encode())
        if track is not None and sound is not None:
            heard = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), format="fltp", layout="mono")
            heard.sample_rate, heard.pts, heard.time_base = RATE, 0, Fraction(1, RATE)
            container.mux(track.encode(heard))
            container.mux(track.encode())
    return file.getvalue()


def clips() -> list[Case]:
    """All cases of clips."""
    return [*strange_clips(), *broken_clips(), *places("clip")]


def strange_clips() -> list[Case]:
    eight = list(range(20, 180, 20))
    four = (40, 80, 120, 160)
    table: list[tuple[str, bytes, tuple[int, ...]]] = [
        ("MP4", film(eight), four),
        ("AVI", film(eight, "avi"), four),
        ("Motion JPEG", film(eight, "avi", "mjpeg"), four),
        ("Matroska", film(eight, "matroska", "libx264"), four),
        ("WebM", film(eight, "webm", "libvpx"), four),
        ("odd size", film(eight, "avi", "mjpeg", (65, 49)), four),
        ("clip of one frame", film([LEVEL]), (LEVEL,)),
        ("fewer frames than asked for", film([20, 60, 100]), (20, 60, 100)),
        ("as many frames as asked for", film([20, 60, 100, 140]), (20, 60, 100, 140)),
        ("frames of uneven lengths", film([20, 100, 180, 180], codec="libx264", times=[0, 100, 300, 400]), (20, 100, 180, 180)),
        ("with a sound track", film(eight, sound=tone(RATE, 1)), four),
        ("still picture as clip", stored(plain(mode="RGB", level=(LEVEL,) * 3)), (LEVEL,)),
        ("animated GIF as clip", stored(plain(20), "GIF", save_all=True, append_images=[plain(180)], duration=100), (20, 180)),
    ]
    return [
        *(kept("clip", name, content, value) for name, content, value in table),
        kept("clip", "still picture named .mp4", stored(plain(), "JPEG"), (LEVEL,), "named/still.mp4"),
        kept("clip", "AVI named .mp4", film(eight, "avi"), four, "named/a.mp4"),
        kept("clip", "name that FFmpeg takes for a protocol", film(eight), four, "named/concat:a|b.mp4"),
    ]


def broken_clips() -> list[Case]:
    mp4, avi, mkv = film([20, 90, 160] * 4), film([20, 90, 160] * 4, "avi"), film([20, 90, 160] * 4, "matroska")
    table = [
        ("file of 0 bytes as clip", b"", "is empty: it has 0 bytes"),
        ("MP4 cut in half", halved(mp4), "is no clip that can be read"),
        ("AVI cut in half", halved(avi), "clip"),
        ("Matroska cut in its header", mkv[:60], "is no clip that can be read"),
        ("MP4 without its index", mp4[: mp4.index(b"moov") - 4], "is no clip that can be read"),
        ("MP4 without its pictures", mp4[: mp4.index(b"mdat") - 4] + mp4[mp4.index(b"moov") - 4 :], "clip"),
        ("MP4 with flipped bytes", flipped(mp4, range(mp4.index(b"moov"), len(mp4), 7)), "clip"),
        ("text as clip", b"not a clip\n", "it looks like text"),
        ("HTML as clip", HTML, "it looks like an HTML page"),
        ("sound as clip", wave(TONE), "it has no pictures in it"),
        ("sound in MP4", film([], sound=tone(RATE, 1)), "it has no pictures in it"),
        ("script that joins other files", b"ffconcat version 1.0\nfile /etc/hostname\n", "is no clip that can be read"),
        ("list of clips", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n", "is no clip that can be read"),
        ("session description", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", "is no clip that can be read"),
        ("archive as clip", b"PK\x03\x04" + bytes(30), "it looks like an archive"),
    ]
    return [bad("clip", name, content, words) for name, content, words in table]


# ---------------------------------------------------------------- texts


def texts() -> list[Case]:
    """All cases of texts, as JSON Lines can hold them."""
    same = [
        *(
            "None",
            "null",
            "nan",
            "  spaces around  ",
            "line\r\nend\rs\n",
            "a\u2028b\x85c",
            "שלום \u202eright to left",
            "👩‍👩‍👧‍👦🏳️‍🌈",
            "\ufeffmark",
        ),
        *(
            "e\u0301\u200b\u00ad",
            "\x07\x1b[31mred",
            "\"quotes\", 'and' commas",
            "x" * 1_000_000,
            "=1+1",
            "../a.png",
            "https://example.org/a",
        ),
    ]
    words = [
        ("number as it is written", 1e5, "100000.0"),
        ("true", True, "true"),
        ("list", ["a", "b"], "a;b"),
        ("empty text", "", None),
        ("white space alone", " \t\n\u3000", None),
        ("null as text", None, None),
        ("no such key", ..., None),
    ]
    return [
        *(Case(f"text {letters[:20]!r}", "text", letters, nothing, value=letters) for letters in same),
        *(Case(name, "text", cell, nothing, value=value) for name, cell, value in words),
        refused("text", "NUL in a text", "a\0b", "holds a NUL character"),
        refused("text", "half of a surrogate pair", "a\ud83d", "holds half a character (a lone surrogate)"),
        refused("text", "object as text", {"a": 1}, "a nested object where text is needed"),
        refused("text", "list in a list", [["a"], ["b"]], "a list inside which there is more than text and numbers"),
    ]


def media() -> list[Case]:
    """All cases."""
    return [*pictures(), *sounds(), *clips(), *texts()]


# ---------------------------------------------------------------- the table


def row(case: Case, place: int, home: Path) -> str:
    """A line of the table; beside its case, a row has a text (or a text's row a picture)."""
    cell = case.cell.replace("{home}", str(home)).replace("{folder}", home.name) if isinstance(case.cell, str) else case.cell
    beside = {"picture": "good/0.png"} if case.column == "text" else {"text": "beside"}
    split = ("train", "val", "test")[place % 3]
    cells = {"id": case.name, "label": ("cat", "dog", "None")[place % 3], "split": split, **beside, case.column: cell}
    return json.dumps({name: value for name, value in cells.items() if value is not ...})
