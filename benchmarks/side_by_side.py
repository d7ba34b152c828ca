"""Two trainings at once, each with one thread, against one after the other with both threads.

    python -m benchmarks.side_by_side [--rounds 5] [--scale 1.0] [--mirror FOLDER]

The same two models either way, each by the train stage in a process of its own; what counts is the time in the trainings, not
the imports before. The weights of the two at once are compared, byte by byte, with those of each alone with one thread.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import project
from benchmarks.measuring import arguments, head, ratios, spread, table, turns
from benchmarks.workloads import PRINTED_CNN, digits

MODELS = {
    "cnn": {"encoders": {"image": PRINTED_CNN}, "width": 64},
    "conv_deconv": {"encoders": {"image": {"name": "deconvolution", "channels": [16, 32]}}, "width": 64},
}
BOTH, TWO_THREADS, ALONE = "two at once, 1 thread each", "one after the other, 2 threads", "one after the other, 1 thread"


def fresh(folder: Path, threads: int, name: str) -> None:
    """Train from the start."""
    project.train(folder, name, threads)


def one_by_one(folder: Path, threads: int) -> float:
    """Seconds of both trainings, their starts left out."""
    for name in MODELS:
        fresh(folder, threads, name)
    return sum(end - begin for begin, end in times(folder))


def at_once(folder: Path) -> float:
    """Seconds from the first's start to the last's end."""
    with ThreadPoolExecutor(len(MODELS)) as pool:
        list(pool.map(partial(fresh, folder, 1), MODELS))
    begun, ended = zip(*times(folder), strict=True)
    return max(ended) - min(begun)


def times(folder: Path) -> list[tuple[float, float]]:
    """When each training began and ended."""
    found = [project.result(folder, name) for name in MODELS]
    return [(one["started"], one["epoch_ended"][-1]) for one in found]


def weights(folder: Path) -> list[str]:
    """The hashes of all weights."""
    return [sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "data/models").rglob("*.safetensors"))]


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    chosen = parser.parse_args()
    head(chosen)
    samples = max(64, round(20000 * chosen.scale))
    with tempfile.TemporaryDirectory() as place:
        made = digits(samples, max(64, samples // 8), chosen.mirror)
        folders = {1: Path(place) / "one", 2: Path(place) / "two", 0: Path(place) / "both"}
        for threads, folder in folders.items():
            settings = {"epochs": 3, "batch_size": 64, "threads": threads or 1}
            project.write(folder, *made, {"train": settings, "models": MODELS})
        works: dict[str, Any] = {BOTH: partial(at_once, folders[0])}
        works |= {TWO_THREADS: partial(one_by_one, folders[2], 2), ALONE: partial(one_by_one, folders[1], 1)}
        found = turns(works, chosen.rounds)
        is_same = weights(folders[0]) == weights(folders[1])
    rows = [[name, spread(taken), spread(ratios(taken, found[TWO_THREADS]))] for name, taken in found.items()]
    table([f"{len(MODELS)} models, {samples} samples", "s", "times the throughput"], rows)
    print(f"weights of the two at once and of each alone: {'the same bytes' if is_same else 'DIFFERENT BYTES'}")
    if not is_same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
