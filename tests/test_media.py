"""What all media have in common: finding and opening files, texts, and damage of any sort."""

import os
import random
import unicodedata
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from deconfuse.media import Decoded, MediaError, audio, image, text, video
from deconfuse.params.preprocess import Audio as AudioOptions
from deconfuse.params.preprocess import Image as ImageOptions
from deconfuse.params.preprocess import Video as VideoOptions

Decode = Callable[[str, Path], Decoded]
DECODERS: dict[str, Decode] = {
    "image": lambda cell, folder: image.decode(cell, folder, ImageOptions()),
    "audio": lambda cell, folder: audio.decode(cell, folder, AudioOptions()),
    "video": lambda cell, folder: video.decode(cell, folder, VideoOptions(frames=3)),
}


def refusal(decode: Decode, cell: str, folder: Path) -> str:
    with pytest.raises(MediaError) as error:
        decode(cell, folder)
    return str(error.value)


@pytest.fixture(params=DECODERS)
def decode(request: pytest.FixtureRequest) -> Decode:
    return DECODERS[request.param]


def test_only_regular_files_are_opened(tmp_path: Path, decode: Decode) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty").touch()
    assert refusal(decode, "pipe", tmp_path) == "pipe is no regular file"
    assert refusal(decode, "/dev/zero", tmp_path) == "/dev/zero is no regular file"
    assert refusal(decode, "folder.png", tmp_path) == "folder.png is a folder"
    assert refusal(decode, "empty", tmp_path) == "empty is empty: it has 0 bytes"
    assert refusal(decode, "loop", tmp_path) == "loop cannot be opened: Too many levels of symbolic links"
    assert refusal(decode, "x" * 5000, tmp_path).endswith("cannot be opened: File name too long")
    for absent in ("broken", "nothing", "pipe/below", "loop/../../gone", "a\0b"):
        assert refusal(decode, absent, tmp_path).startswith(("there is no file", "loop"))
    assert refusal(decode, "sub/../nothing", tmp_path) == f"there is no file {tmp_path}/nothing"
    assert refusal(decode, "https://example.org/a.png", tmp_path) == "https://example.org/a.png is an address; media must be files"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path: Path, decode: Decode) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").chmod(0)
    assert "permission denied" in refusal(decode, "a", tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "plain.png",
        "two words.png",
        'it\'s "quoted".png',
        "猫🐈.png",
        "-dash.png",
        "a#b%20c.png",
        "con cat:x.png",
        "pipe|x.png",
        "caf\u00e9.png",
    ],
)
def test_any_name_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    Image.new("L", (8, 8)).save(tmp_path / "in" / name)
    asked = [
        f"in/{name}",
        f"in\\{name}",
        f" in/{name} ",
        f"./in/../in/{name}",
        str(tmp_path / "in" / name),
        unicodedata.normalize("NFD", f"in/{name}"),
    ]
    assert len({image.decode(cell, tmp_path, ImageOptions()).digest for cell in asked}) == 1


def test_composed_and_decomposed_names_are_the_same(tmp_path: Path) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "cafe\u0301.png")
    assert image.decode("caf\u00e9.png", tmp_path, ImageOptions()).length == 1


def test_names_that_are_no_text_are_shown_so_that_they_can_be_written(tmp_path: Path, decode: Decode) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_bytes(b"no medium")
    for cell in (os.fsdecode(b"caf\xe9"), os.fsdecode(b"none\xe9"), "line\nbreak"):
        said = refusal(decode, cell, tmp_path)
        said.encode()
        assert "\n" not in said


@pytest.mark.parametrize("letters", ["plain", "  spaced ", "猫🐈‍⬛", "שלום", "a\u0301\u200b", "\x07bell", "x" * 10**6])
def test_texts_are_kept_as_they_are(letters: str) -> None:
    found = text.decode(letters)
    assert found.value == letters and found.size == {"characters": len(letters)} and len(found.digest) == 16


def test_texts_that_no_file_can_hold() -> None:
    for bad in ("a\0b", "a\ud800b"):
        with pytest.raises(MediaError, match="letter 2"):
            text.decode(bad)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.text(min_size=1))
@example("\u1d2c")
def test_case_width_and_spacing_make_no_other_text(letters: str) -> None:
    """Hypothesis makes no surrogates by itself."""
    if "\0" in letters:
        return
    same = {
        text.decode(form).digest
        for form in (
            letters,
            f" {letters}\n",
            unicodedata.normalize("NFKC", letters),
            unicodedata.normalize("NFD", letters),
            letters.casefold(),
        )
    }
    assert len(same) == 1
    assert text.decode(letters + " and more").digest not in same


def test_texts_that_differ() -> None:
    assert text.decode("\uff28ello   World").digest == text.decode("hello world").digest != text.decode("helloworld").digest


def clip(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        for place in range(6):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((32, 32, 3), 40 * place, np.uint8))))
        container.mux(stream.encode())


def media(folder: Path) -> dict[str, tuple[str, bytes]]:
    """Name -> kind and content of a small good file of every format."""
    noise = np.random.default_rng(0)
    picture = Image.fromarray(noise.integers(0, 256, (24, 32, 3), np.uint8))
    sound = noise.uniform(-0.3, 0.3, 3000)
    for name in ("a.png", "a.jpg", "a.gif", "a.webp", "a.tif", "a.bmp"):
        picture.save(folder / name)
    for name in ("a.wav", "a.flac", "a.ogg", "a.mp3"):
        soundfile.write(folder / name, sound, 8000)
    for name in ("a.mp4", "a.avi", "a.mkv"):
        clip(folder / name)
    kinds = {"png": "image", "jpg": "image", "gif": "image", "webp": "image", "tif": "image", "bmp": "image"}
    kinds |= {"wav": "audio", "flac": "audio", "ogg": "audio", "mp3": "audio", "mp4": "video", "avi": "video", "mkv": "video"}
    return {f"a.{end}": (kind, (folder / f"a.{end}").read_bytes()) for end, kind in kinds.items()}


def damaged(content: bytes, draw: random.Random) -> bytes:
    """Cut somewhere, or up to eight bytes changed: half of these in the first 100, where headers are."""
    if draw.random() < 0.25:
        return content[: draw.randrange(1, len(content))]
    changed = bytearray(content)
    reach = min(100, len(content)) if draw.random() < 0.5 else len(content)
    for _ in range(draw.randint(1, 8)):
        changed[draw.randrange(reach)] = draw.choice([0, 255, draw.randrange(256)])
    return bytes(changed)


def is_refused(decode: Decode, cell: str, folder: Path) -> bool:
    """Whether a file is refused, with a reason on one line that names it; any other error is a failure."""
    try:
        found = decode(cell, folder)
    except MediaError as error:
        said = str(error)
        assert said.startswith(f"{cell} ") and "\n" not in said, said
        return True
    assert isinstance(found.value, np.ndarray) and found.length >= 1
    return False


def test_damage_is_told_or_harmless(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A thousand damaged files: each is decoded or refused with a reason, in silence, by every decoder that may meet it."""
    draw = random.Random(0)
    refused = dict.fromkeys(DECODERS, 0)
    whole = media(tmp_path)
    for name, (kind, content) in whole.items():
        DECODERS[kind](name, tmp_path)
        for _ in range(80):
            (tmp_path / "x").write_bytes(damaged(content, draw))
            # the sound track of a damaged clip is asked for, too
            for asked in (kind, "audio") if kind == "video" else (kind,):
                refused[asked] += is_refused(DECODERS[asked], "x", tmp_path)
    assert min(refused.values()) > 50
    assert capfd.readouterr() == ("", "")
