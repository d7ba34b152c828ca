"""Sounds of every sort that a table may point at, made here."""

import struct
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.media import Decoded, MediaError
from deconfuse.media.audio import decode
from deconfuse.params.preprocess import Audio as Options

OPTIONS = Options(rate=8000, seconds=0.5)


def tone(seconds: float, rate: int, hertz: float = 440) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def stored(sound: np.ndarray, path: Path, rate: int = 8000, options: Options = OPTIONS, **how: object) -> Decoded:
    soundfile.write(path, sound, rate, **how)
    return decode(path.name, path.parent, options)


def refusal(cell: str, folder: Path, options: Options = OPTIONS) -> str:
    with pytest.raises(MediaError) as error:
        decode(cell, folder, options)
    return str(error.value)


def loudest(found: Decoded, rate: int) -> float:
    """Frequency in hertz that is strongest."""
    assert isinstance(found.value, np.ndarray)
    return float(np.abs(np.fft.rfft(found.value)).argmax() * rate / len(found.value))


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
def test_a_tone_keeps_its_pitch_and_loudness(tmp_path: Path, name: str, rate: int) -> None:
    found = stored(tone(0.7, rate), tmp_path / name, rate)
    assert found.value.shape == (4000,) and found.value.dtype == np.int16 and found.length == 4000
    assert loudest(found, 8000) == pytest.approx(440, abs=2)
    assert np.abs(found.value[500:-500]).max() / 32768 == pytest.approx(0.4, abs=0.03)
    assert found.size["rate"] == rate and found.size["channels"] == 1 and found.size["seconds"] == pytest.approx(0.7, abs=0.01)


@pytest.mark.parametrize(
    "how", [{"subtype": "PCM_24"}, {"subtype": "PCM_U8"}, {"subtype": "ULAW"}, {"subtype": "FLOAT"}, {"format": "FLAC"}], ids=str
)
def test_the_coding_does_not_matter(tmp_path: Path, how: dict) -> None:
    found = stored(tone(0.4, 8000), tmp_path / "a.mp3", **({"format": "WAV"} | how))
    assert np.abs(found.value[:3200] / 32768 - tone(0.4, 8000)).max() < 0.02 and found.length == 3200
    assert not found.value[3200:].any()


def test_equal_samples_have_equal_digests(tmp_path: Path) -> None:
    sound = (tone(0.7, 8000) * 32767).astype(np.int16)
    made = [stored(sound, tmp_path / name).digest for name in ("a.wav", "a.flac", "a.aiff")]
    made.append(stored(np.stack([sound, sound], 1), tmp_path / "stereo.wav").digest)
    assert len(set(made)) == 1 and len(made[0]) == 16
    assert stored(sound + 1, tmp_path / "b.wav").digest != made[0]
    assert stored(sound, tmp_path / "c.wav", 16000).digest != made[0]


def test_channels_are_averaged(tmp_path: Path) -> None:
    sound = np.stack([np.full(800, level) for level in (0.5, -0.25, 0.125, 0, 0, 0.25)], 1)
    found = stored(sound, tmp_path / "a.wav")
    assert found.size["channels"] == 6 and (found.value[:800] == round(0.625 / 6 * 32768)).all()


def test_only_the_beginning_is_read(tmp_path: Path) -> None:
    sound = np.concatenate([tone(0.7, 8000), np.full(8000, np.nan)])
    found = stored(sound, tmp_path / "a.wav", subtype="FLOAT")
    assert found.length == 4000 and found.size["seconds"] == pytest.approx(1.7)


@pytest.mark.parametrize("rate", [1000, 8000, 44100])
def test_one_sample(tmp_path: Path, rate: int) -> None:
    found = stored(np.array([0.5]), tmp_path / "a.wav", rate)
    assert found.length >= 1 and found.value.shape == (4000,) and found.size["seconds"] == 1 / rate


def test_loud_floats_are_clipped_with_a_note(tmp_path: Path) -> None:
    found = stored(np.tile([2.0, -3.0, 0.5], 100), tmp_path / "a.wav", subtype="FLOAT")
    assert found.notes == ("samples beyond full scale are clipped",)
    assert found.value[:3].tolist() == [32767, -32768, 16384]
    assert not stored(tone(0.1, 8000), tmp_path / "b.wav", subtype="FLOAT").notes
    # each channel by itself, as it would be played
    assert stored(np.tile([2.0, -1.0], (100, 1)), tmp_path / "c.wav", subtype="FLOAT").value[0] == 0


def test_sounds_that_hold_nothing(tmp_path: Path) -> None:
    for bad in (np.nan, np.inf, -np.inf):
        soundfile.write(tmp_path / "nan.wav", np.array([0.1, bad, 0.2]), 8000, subtype="FLOAT")
        assert refusal("nan.wav", tmp_path) == "nan.wav holds samples that are not numbers"
    soundfile.write(tmp_path / "a.wav", np.zeros(0), 8000)
    assert refusal("a.wav", tmp_path) == "a.wav holds no sound: it has 0 samples"
    for name in ("a.aiff", "a.ogg", "a.flac"):
        soundfile.write(tmp_path / name, np.zeros(0), 8000)
        assert refusal(name, tmp_path).startswith(f"{name} ")


@pytest.mark.parametrize("name", ["a.wav", "a.aiff", "a.flac", "a.mp3", "a.ogg"])
def test_a_sound_cut_in_half_is_found(tmp_path: Path, name: str) -> None:
    soundfile.write(tmp_path / name, tone(0.5, 8000), 8000)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    assert refusal(name, tmp_path).startswith(name)
    if name == "a.wav":
        assert refusal(name, tmp_path) == "a.wav is cut short: its header promises 8000 bytes of sound, but 3978 are there"


@pytest.mark.parametrize("promised", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000])
def test_a_header_that_was_written_before_the_end_was_known(tmp_path: Path, promised: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.3, 8000), 8000)
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", promised)
    (tmp_path / "a.wav").write_bytes(content)
    assert decode("a.wav", tmp_path, OPTIONS).length == 2400


def test_other_chunks_before_the_sound(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.3, 8000), 8000)
    content = (tmp_path / "a.wav").read_bytes()
    padded = content[:36] + b"LIST" + struct.pack("<I", 5) + b"hello\0" + content[36:]
    (tmp_path / "a.wav").write_bytes(padded)
    assert decode("a.wav", tmp_path, OPTIONS).length == 2400
    (tmp_path / "a.wav").write_bytes(padded[:-10])
    assert "4800 bytes of sound, but 4790 are there" in refusal("a.wav", tmp_path)
    (tmp_path / "a.wav").write_bytes(padded[:30])
    assert refusal("a.wav", tmp_path).startswith("a.wav is no sound that can be read")


def test_headers_of_impossible_sounds(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(0.3, 8000), 8000)
    content = (tmp_path / "a.wav").read_bytes()
    for place, value in (
        (22, struct.pack("<H", 0)),
        (22, struct.pack("<H", 60000)),
        (24, struct.pack("<I", 0)),
        (24, struct.pack("<I", 2**31 - 1)),
    ):
        (tmp_path / "b.wav").write_bytes(content[:place] + value + content[place + len(value) :])
        assert refusal("b.wav", tmp_path).startswith("b.wav ")


def test_files_that_are_no_sounds(tmp_path: Path) -> None:
    contents = {
        "empty.wav": b"",
        "text.wav": b"hello",
        "page.mp3": b"<html><body>not found",
        "picture.wav": b"\x89PNG\r\n\x1a\n" + bytes(90),
        "raw.raw": bytes(range(256)) * 8,
        "list.wav": b"ffconcat version 1.0\nfile 'a.wav'\n",
        "hls.wav": b"#EXTM3U\n#EXTINF:1,\na.ts\n",
    }
    said = {}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        said[name] = refusal(name, tmp_path)
        assert said[name].startswith(name) and "\n" not in said[name]
    assert (
        "0 bytes" in said["empty.wav"] and "text" in said["text.wav"] and "HTML" in said["page.mp3"] and "a picture" in said["picture.wav"]
    )


def test_playlists_open_no_other_file(tmp_path: Path) -> None:
    """FFmpeg would follow each of these."""
    soundfile.write(tmp_path / "secret.wav", tone(0.3, 8000), 8000)
    for content in (
        "ffconcat version 1.0\nfile secret.wav\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{tmp_path}/secret.wav\n",
    ):
        (tmp_path / "list.mp4").write_text(content)
        assert "looks like text" in refusal("list.mp4", tmp_path)


def with_sound(path: Path, sound: np.ndarray, rate: int, codec: str, pictures: bool = True) -> None:
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("mpeg4" if path.suffix != ".webm" else "libvpx", rate=10)] if pictures else []
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        track = container.add_stream(codec, rate=rate, layout="mono") if len(sound) else None
        for stream in streams:
            # twice as long as the sound
            for _ in range(16):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8))))
            container.mux(stream.encode())
        if track:
            frame = av.AudioFrame.from_ndarray(sound.astype(np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate = rate
            container.mux(track.encode(frame))
            container.mux(track.encode())


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("a.mp4", "aac", 44100), ("a.m4a", "aac", 16000), ("a.mkv", "aac", 32000), ("a.avi", "pcm_s16le", 22050), ("a.mov", "aac", 48000)],
)
def test_the_sound_track_of_a_clip(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    with_sound(tmp_path / name, tone(0.8, rate), rate, codec, pictures=name != "a.m4a")
    found = decode(name, tmp_path, OPTIONS)
    assert found.length == 4000 and loudest(found, 8000) == pytest.approx(440, abs=2)
    assert found.size["rate"] == rate
    # AVI and Matroska tell the length of the whole only
    assert found.size["seconds"] == pytest.approx(1.6 if name in ("a.avi", "a.mkv") else 0.8, abs=0.1)
    assert np.abs(found.value[1000:-500]).max() / 32768 == pytest.approx(0.4, abs=0.05)


def test_a_clip_without_sound(tmp_path: Path) -> None:
    with_sound(tmp_path / "a.mp4", np.zeros(0), 8000, "aac")
    assert refusal("a.mp4", tmp_path) == "a.mp4 is no sound that can be read: there is no sound in it (it looks like a clip)"


def test_rows_of_an_array(tmp_path: Path) -> None:
    sounds = (np.stack([tone(0.7, 8000, hertz) for hertz in (300, 600)]) * 32768).astype(np.int16)
    np.save(tmp_path / "a.npy", sounds)
    found = decode("a.npy#1@8000", tmp_path, OPTIONS)
    assert (found.value == sounds[1, :4000]).all() and found.length == 4000
    assert found.size == {"seconds": 0.7, "rate": 8000, "channels": 1}
    assert found.digest == stored(sounds[1], tmp_path / "a.wav").digest
    assert loudest(decode("a.npy#0@4000", tmp_path, OPTIONS), 8000) == pytest.approx(150, abs=2)
    assert "has no row 2" in refusal("a.npy#2@8000", tmp_path)
    assert "rate of 5 Hz" in refusal("a.npy#0@5", tmp_path)
    np.save(tmp_path / "b.npy", sounds.astype(np.float32))
    assert "float32 of 2 axes; it must be int16 of 2" in refusal("b.npy#0@8000", tmp_path)
    assert "a rate is missing" in refusal("a.npy#0", tmp_path)


@settings(deadline=None, derandomize=True, max_examples=80)
@given(st.integers(1, 3000), st.integers(100, 96_000), st.integers(1, 4), st.floats(0.001, 0.3), st.integers(1000, 48_000))
def test_any_length_and_rate_fits(
    tmp_path_factory: pytest.TempPathFactory, samples: int, rate: int, channels: int, seconds: float, wanted: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "fits.wav"
    options = Options(rate=wanted, seconds=seconds)
    found = stored(np.full((samples, channels), 0.25), path, rate, options)
    assert found.value.shape == (round(seconds * wanted),) and found.value.dtype == np.int16
    assert found.length >= 1 and abs(found.length - min(seconds, samples / rate) * wanted) <= wanted / rate + 1
    assert not found.value[found.length :].any()


def test_the_decoders_write_nothing_themselves(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.mp3", tone(2, 8000), 8000)
    content = (tmp_path / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(content[: len(content) // 2])
    code = (
        "from pathlib import Path; from deconfuse.preparing.decoding import decode_cell; from deconfuse.manifest import Place; "
        "from deconfuse.params.preprocess import Decoding; import sys\n"
        "try: decode_cell('a.mp3', Place('audio', sys.argv[1]), Decoding())\nexcept Exception as error: print(error, file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert ended.stdout == "" and len(ended.stderr.splitlines()) == 1 and "a.mp3 is cut short" in ended.stderr
