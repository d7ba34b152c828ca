"""Speak the digits once with espeak-ng, and pack the clips into one sound file and one table.

    python data/sources/digits/make_speech.py        (by hand; needs espeak-ng; about a minute)

Writes, beside this script:
speech.ogg  all clips one after the other, 8 kHz mono Vorbis
speech.csv  one row a clip: its digit, voice and split, and where it lies in the sound (offset and length in samples)
"""

import csv
import random
import subprocess
from pathlib import Path

import numpy as np
import soundfile
import soxr

HERE = Path(__file__).parent
RATE = 8000
# samples of silence between clips, so that the codec's blocks carry nothing from one voice to the next
GAP = 400
TAKES = 5
# libsndfile's scale, 0 best to 1 smallest: 2,000 clips take 2.4 MB here
QUALITY = 0.6
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ACCENTS = ["en", "en-029", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-gb-x-rp", "en-us", "en-us-nyc"]

# espeak-ng's timbre variants: each stands in one split only, and so do close relatives (klatt and klatt2, croak and grandpa)
TIMBRES = {
    "train": "m1 m2 m3 m4 m5 m6 f1 f2 f3 klatt klatt2 klatt4 Alex Andy Annie aunty benjamin boris croak david edward grandpa iven whisper",
    "val": "m7 f4 Michael belinda travis victor",
    "test": "m8 f5 Denis Diogo Storm grandma linda norbert paul robert",
}


def main() -> None:
    draw = random.Random("spoken digits")
    rows, sounds, offset = [], [], GAP
    for split, timbres in TIMBRES.items():
        for voice in (f"{accent}+{timbre}" for timbre in timbres.split() for accent in sorted(draw.sample(ACCENTS, TAKES))):
            for digit, word in enumerate(WORDS):
                pitch, speed = draw.randint(25, 75), draw.randint(140, 210)
                sound = trim(speak(word, voice, pitch, speed))
                rows.append([f"c{len(rows):04d}", digit, voice, *voice.split("+"), pitch, speed, split, offset, len(sound)])
                sounds.append(sound)
                offset += len(sound) + GAP
    pack(HERE / "speech.ogg", sounds)
    with (HERE / "speech.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["clip", "digit", "voice", "accent", "timbre", "pitch", "speed", "split", "offset", "length"])
        table.writerows(rows)


def speak(word: str, voice: str, pitch: int, speed: int) -> np.ndarray:
    """A word as float samples at RATE; pitch is espeak-ng's 0..99, speed is in words a minute."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-s", str(speed), "--stdout", word]
    wave = subprocess.run(command, capture_output=True, check=True).stdout
    # espeak-ng writes a stream: the length in its 44-byte header is not true, and its rate is always 22,050 Hz
    return soxr.resample(np.frombuffer(wave[44:], np.int16) / 32768.0, 22050, RATE)


def trim(sound: np.ndarray) -> np.ndarray:
    """Cut off what is more than 30 dB below the loudest 10 ms at both ends, and bring the peak to 0.7."""
    power = np.convolve(sound**2, np.ones(RATE // 100), "same")
    loud = np.flatnonzero(power > power.max() * 1e-3)
    sound = sound[loud[0] : loud[-1] + 1]
    if len(sound) > RATE:
        raise ValueError(f"a clip lasts {len(sound) / RATE:.2f} s, but it must fit into one second")
    return sound * (0.7 / np.abs(sound).max())


def pack(path: Path, sounds: list[np.ndarray]) -> None:
    """Write the clips with GAP samples of silence before each and after the last."""
    silence = np.zeros(GAP)
    with soundfile.SoundFile(path, "w", RATE, 1, "VORBIS", format="OGG", compression_level=QUALITY) as file:
        for sound in sounds:
            file.write(np.concatenate([silence, sound]))
        file.write(silence)


if __name__ == "__main__":
    main()
