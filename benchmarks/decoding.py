"""How fast media are decoded, against a plain loop that does the same without checks.

    python -m benchmarks.decoding [--rounds 5] [--scale 1.0]

Makes its own files in a temporary folder. All contenders run in one process after another, in turn, so that a busy machine
slows all of them alike; prints a Markdown table of items a second (median, least and most over the rounds).
"""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks import corpus, plain
from benchmarks.measuring import arguments, head
from deconfuse.manifest import Place, Row
from deconfuse.params.preprocess import Audio, Image, Preprocess, Video
from deconfuse.preparing.decoding import Sample, decoded

OPTIONS = Preprocess(
    image=Image(height=64, width=64, channels=3), audio=Audio(rate=16000, seconds=2), video=Video(frames=8, height=64, width=64, channels=3)
)


def ours(kind: str, files: list[Path], workers: int | None) -> None:
    options = OPTIONS.model_copy(update={"workers": workers})
    rows = [Row(line, str(line), "", "", {"medium": str(path)}) for line, path in enumerate(files, 1)]
    for row, found in decoded(rows, len(rows), {"medium": Place(kind)}, options):
        if not isinstance(found, Sample):
            raise AssertionError(f"{row.id}: {found.reason}")


def by_hand(kind: str, files: list[Path]) -> None:
    decode, options = getattr(plain, kind), getattr(OPTIONS, kind)
    for path in files:
        decode(path, options)


def seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(kind: str, files: list[Path], rounds: int) -> dict[str, list[float]]:
    """Contender -> items a second of each round, after one that does not count."""
    contenders = {
        "plain loop": lambda: by_hand(kind, files),
        "one worker": lambda: ours(kind, files, 1),
        f"all {os.cpu_count()} cores": lambda: ours(kind, files, None),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            taken = seconds(work)
            if number:
                rates[name].append(len(files) / taken)
    return rates


def show(title: str, count: int, rates: dict[str, list[float]]) -> None:
    base = median(rates["plain loop"])
    for name, found in rates.items():
        print(
            f"| {title} | {count} | {name} | {median(found):.0f} | {min(found):.0f}-{max(found):.0f} | {median(found) / base:.2f} |",
            flush=True,
        )


def main() -> None:
    chosen = arguments(__doc__ or "", 5).parse_args()
    head(chosen, ("pillow", "soundfile", "soxr", "av", "numpy"))
    print("| files | count | how | items/s (median) | min-max | x plain |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for title, (kind, files) in corpus.make(Path(folder), chosen.scale).items():
            show(title, len(files), measure(kind, files, chosen.rounds))


if __name__ == "__main__":
    main()
