"""Clips of every sort that a table may point at, made here."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from deconfuse.media import Decoded, MediaError
from deconfuse.media.video import decode, laid_out
from deconfuse.params.preprocess import Video as Options

OPTIONS = Options(frames=4, height=8, width=8)
MILLISECONDS = Fraction(1, 1000)


def record(
    path: Path, levels: list[int], times: list[int] | None = None, size: tuple[int, int] = (64, 48), codec: str = "mpeg4", **options: str
) -> None:
    """A clip whose frames are grey of these levels and begin at these milliseconds (None: ten a second)."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = *size, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if times:
            stream.time_base = stream.codec_context.time_base = MILLISECONDS
        for place, level in enumerate(levels):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), level, np.uint8))
            if times:
                frame.pts, frame.time_base = times[place], MILLISECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def levels(found: Decoded) -> list[int]:
    """Mean grey of each real frame, to the nearest ten: codecs lose a little."""
    assert isinstance(found.value, np.ndarray)
    return [round(float(frame.mean()) / 10) * 10 for frame in found.value[: found.length]]


def refusal(cell: str, folder: Path, options: Options = OPTIONS) -> str:
    with pytest.raises(MediaError) as error:
        decode(cell, folder, options)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mp4", "mpeg4"),
        ("a.mp4", "libx264"),
        ("a.avi", "mpeg4"),
        ("a.avi", "mjpeg"),
        ("a.mkv", "libx264"),
        ("a.webm", "libvpx-vp9"),
        ("a.mov", "libx264"),
    ],
)
def test_frames_are_the_middles_of_equal_parts(tmp_path: Path, name: str, codec: str) -> None:
    record(tmp_path / name, list(range(20, 220, 10)), codec=codec)
    found = decode(name, tmp_path, OPTIONS)
    assert found.value.shape == (4, 1, 8, 8) and found.value.dtype == np.uint8
    assert levels(found) == [40, 90, 140, 190]
    assert (found.size["width"], found.size["height"], found.size["frames"]) == (64, 48, 20)
    assert found.size.get("seconds", 2) == pytest.approx(2, abs=0.11)
    again = decode(name, tmp_path, OPTIONS)
    assert (again.value == found.value).all() and again.digest == found.digest


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_time_counts_and_not_the_number_of_frames(tmp_path: Path, name: str) -> None:
    """Fifteen frames within the first 150 ms, then 2 s of one, 1 s of another and 850 ms of a third."""
    record(tmp_path / name, [20] * 15 + [100, 150, 200, 200], [*range(0, 150, 10), 150, 2150, 3150, 4000], codec="libx264")
    assert levels(decode(name, tmp_path, Options(frames=4, height=8, width=8))) == [100, 100, 150, 200]
    assert levels(decode(name, tmp_path, Options(frames=1, height=8, width=8))) == [100]


def test_times_need_not_start_at_nought_nor_come_in_order() -> None:
    course = laid_out([70, 50, 60], MILLISECONDS)
    assert (course.frames, course.start, course.span, course.tick) == (3, 50, 30, 0.001)
    assert laid_out([0, 4, 8, 20], MILLISECONDS).span == 24, "the last frame is shown as long as most"
    for untold in ([None, 3], [3, 3], [3], []):
        course = laid_out(untold, MILLISECONDS)
        assert (course.start, course.span, course.tick) == (0, len(untold), None)


def test_a_stream_without_times_is_spread_by_frames(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", list(range(20, 220, 10)), codec="libx264", bf="0")
    with av.open(str(tmp_path / "a.mp4")) as container, (tmp_path / "a.h264").open("wb") as raw:
        stream = container.streams.video[0]
        filtered = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in container.demux(stream):
            for part in filtered.filter(packet):
                raw.write(bytes(part))
    assert levels(decode("a.h264", tmp_path, OPTIONS)) == [40, 90, 140, 190]


def test_short_clips_end_in_black(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [100, 200])
    found = decode("a.mp4", tmp_path, OPTIONS)
    assert found.length == 2 and levels(found) == [100, 200] and not found.value[2:].any()
    record(tmp_path / "b.mp4", [100])
    assert decode("b.mp4", tmp_path, OPTIONS).length == 1
    record(tmp_path / "c.mp4", [40, 90, 140, 190])
    assert levels(decode("c.mp4", tmp_path, OPTIONS)) == [40, 90, 140, 190]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "GIF"])
def test_a_still_picture_is_one_frame(tmp_path: Path, format: str) -> None:  # noqa: A002
    Image.new("L", (65, 49), 120).save(tmp_path / "a.mp4", format=format)
    found = decode("a.mp4", tmp_path, OPTIONS)
    assert found.length == 1 and levels(found) == [120] and (found.size["width"], found.size["height"]) == (65, 49)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("fit", ["stretch", "crop", "pad"])
def test_odd_sizes_and_proportions(tmp_path: Path, channels: int, fit: str) -> None:
    record(tmp_path / "a.avi", [100] * 6, size=(65, 25), codec="mjpeg")
    found = decode("a.avi", tmp_path, Options(frames=2, height=8, width=8, channels=channels, fit=fit, ground=0))
    assert found.value.shape == (2, channels, 8, 8)
    assert found.value[:, :, 4].mean() == pytest.approx(100, abs=4) and found.value[:, :, 0].mean() == pytest.approx(
        0 if fit == "pad" else 100, abs=4
    )


@pytest.mark.parametrize(("angle", "matrix"), [(90, (0, 1, -1, 0)), (180, (-1, 0, 0, -1)), (270, (0, -1, 1, 0))])
def test_a_clip_is_turned_as_its_header_says(tmp_path: Path, angle: int, matrix: tuple[int, ...]) -> None:
    """As telephones film: the frames lie, and the header tells how far to turn them clockwise."""
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        lying = np.zeros((48, 64, 3), np.uint8)
        # bright where the top left corner of the picture is
        lying[:24, :32] = 220
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(lying)))
        container.mux(stream.encode())
    content = bytearray((tmp_path / "a.mp4").read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (int(one * 65536).to_bytes(4, "big", signed=True) for one in matrix)
    content[place : place + 36] = a + b + bytes(4) + c + d + bytes(12) + (1 << 30).to_bytes(4, "big")
    (tmp_path / "a.mp4").write_bytes(content)
    found = decode("a.mp4", tmp_path, OPTIONS)
    corners = {name: float(found.value[0, 0][place].mean()) for name, place in CORNERS.items()}
    # the top left corner goes round with the clock
    assert max(corners, key=corners.__getitem__) == {90: "top right", 180: "bottom right", 270: "bottom left"}[angle]
    assert (found.size["width"], found.size["height"]) == ((64, 48) if angle == 180 else (48, 64))


CORNERS = {
    "top left": (slice(0, 4), slice(0, 4)),
    "top right": (slice(0, 4), slice(4, 8)),
    "bottom left": (slice(4, 8), slice(0, 4)),
    "bottom right": (slice(4, 8), slice(4, 8)),
}


def test_pixels_are_limited(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [100] * 3)
    assert refusal("a.mp4", tmp_path, Options(max_pixels=3000)) == "a.mp4 is 64 x 48 pixels, more than max_pixels = 3000 allows"


def test_files_that_are_no_clips(tmp_path: Path) -> None:
    record(tmp_path / "a.mp4", [100] * 12)
    whole = (tmp_path / "a.mp4").read_bytes()
    soundfile.write(tmp_path / "sound.wav", np.zeros(800), 8000)
    contents = {
        "empty.mp4": b"",
        "half.mp4": whole[: len(whole) // 2],
        "page.mp4": b"<!doctype html>",
        "text.mp4": b"hello\n",
        "flipped.mp4": whole[:60] + bytes(byte ^ 0x5A for byte in whole[60:400]) + whole[400:],
    }
    said = {"sound.wav": refusal("sound.wav", tmp_path)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        said[name] = refusal(name, tmp_path)
        assert said[name].startswith(name) and "\n" not in said[name]
    assert "no pictures in it (it looks like a sound)" in said["sound.wav"] and "HTML" in said["page.mp4"] and "text" in said["text.mp4"]


def test_a_clip_that_lacks_its_end_is_found(tmp_path: Path) -> None:
    """The index is at the front, as on the web: what is there would play without a word."""
    record(tmp_path / "whole.mp4", [100] * 30)
    with av.open(str(tmp_path / "whole.mp4")) as source, av.open(str(tmp_path / "a.mp4"), "w", options={"movflags": "faststart"}) as to:
        stream = to.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                to.mux(packet)
    content = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(content[:-80])
    assert "is cut short: its header promises 30 frames" in refusal("a.mp4", tmp_path)


def test_the_cover_of_a_song_is_no_clip(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "song.mp3", np.zeros(8000), 8000)
    Image.new("RGB", (8, 8)).save(tmp_path / "cover.png")
    picture = b"\0image/png\0\x03\0" + (tmp_path / "cover.png").read_bytes()
    frame = b"APIC" + len(picture).to_bytes(4, "big") + b"\0\0" + picture
    size = len(frame)
    tag = b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + frame
    (tmp_path / "a.mp4").write_bytes(tag + (tmp_path / "song.mp3").read_bytes())
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video, "the test's file has no cover"
    assert "no pictures in it" in refusal("a.mp4", tmp_path)
