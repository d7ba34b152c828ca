"""Two trainings at once, each with one thread, against one after the other with both threads, or with a model's encoders side by side.

    python -m benchmarks.side_by_side [--rounds 5] [--scale 1.0] [--mirror FOLDER]

Two tables: of two fusions as in the default line-up, of a sound, a picture and a clip in batches of 32, and of two networks for
pictures in batches of 64, whose larger convolutions two threads share well. The same two models either way, each by the train stage in a
process of its own; what counts is the time in the trainings, not the imports before. The weights of the two at once, and of encoders side
by side, are compared, byte by byte, with those of each alone with one thread.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import project
from benchmarks.measuring import arguments, head, ratios, spread, table, turns
from benchmarks.project import Arrays
from benchmarks.workloads import PRINTED_CNN, Made, digits
from deconfuse.kernel.cores import SHARE

Models = dict[str, dict[str, Any]]
PICTURES: Models = {
    "cnn": {"encoders": {"image": PRINTED_CNN}, "width": 64},
    "conv_deconv": {"encoders": {"image": {"name": "deconvolution", "channels": [16, 32]}}, "width": 64},
}
ALL = {"audio": "cnn", "image": "cnn", "video": "cnn_lstm"}
FUSIONS: Models = {name: {"encoders": ALL, "fusion": name} for name in ("concat", "attention")}
SHAPES = {"audio": (39, 32), "image": (1, 16, 16), "video": (8, 1, 16, 16)}
"""Of the data set that comes along."""
BOTH, TWO_THREADS, ALONE = "two at once, 1 thread each", "one after the other, 2 threads", "one after the other, 1 thread"
ENCODERS = "one after the other, encoders side by side"


def fresh(folder: Path, threads: int, cores: int, name: str) -> None:
    """Train from the start."""
    project.train(folder, name, threads, **{SHARE: str(cores)})


def one_by_one(folder: Path, threads: int, cores: int, models: Models) -> float:
    """Seconds of both trainings, their starts left out."""
    for name in models:
        fresh(folder, threads, cores, name)
    return sum(end - begin for begin, end in times(folder, models))


def at_once(folder: Path, models: Models) -> float:
    """Seconds from the first's start to the last's end."""
    with ThreadPoolExecutor(len(models)) as pool:
        list(pool.map(partial(fresh, folder, 1, 1), models))
    begun, ended = zip(*times(folder, models), strict=True)
    return max(ended) - min(begun)


def times(folder: Path, models: Models) -> list[tuple[float, float]]:
    """When each training began and ended."""
    found = [project.result(folder, name) for name in models]
    return [(one["started"], one["epoch_ended"][-1]) for one in found]


def weights(folder: Path) -> list[str]:
    """The hashes of all weights."""
    return [sha256(path.read_bytes()).hexdigest() for path in sorted((folder / "data/models").rglob("*.safetensors"))]


def several(train: int, val: int) -> Made:
    """Noise in the shapes of a sound, a picture and a clip: for time, not for accuracy."""
    draw = np.random.default_rng(0)
    splits: dict[str, Arrays] = {}
    for split, samples in (("train", train), ("val", val)):
        splits[split] = {name: draw.integers(0, 256, (samples, *shape), dtype=np.uint8) for name, shape in SHAPES.items()}
        splits[split]["audio"] = splits[split]["audio"].astype(np.float32)
    return splits, {split: draw.integers(0, 10, len(arrays["image"])) for split, arrays in splits.items()}


def measure(what: str, models: Models, made: Made, batch: int, rounds: int) -> bool:
    """Print a table; whether the weights are the same bytes."""
    with tempfile.TemporaryDirectory() as place:
        ways = {BOTH: 1, TWO_THREADS: 2, ALONE: 1} | ({ENCODERS: 1} if models is FUSIONS else {})
        folders = {name: Path(place) / str(number) for number, name in enumerate(ways)}
        for name, threads in ways.items():
            project.write(folders[name], *made, {"train": {"epochs": 3, "batch_size": batch, "threads": threads}, "models": models})
        works: dict[str, Any] = {BOTH: partial(at_once, folders[BOTH], models)}
        for name in list(ways)[1:]:
            works[name] = partial(one_by_one, folders[name], ways[name], 1 if name == ALONE else 2, models)
        found = turns(works, rounds)
        is_same = all(weights(folders[name]) == weights(folders[ALONE]) for name, threads in ways.items() if threads == 1)
    rows = [[name, spread(taken), spread(ratios(taken, found[TWO_THREADS]))] for name, taken in found.items()]
    samples = len(made[1]["train"])
    table([f"{len(models)} {what}, {samples} samples, batches of {batch}", "s", "times the throughput"], rows)
    print(f"weights of all with 1 thread: {'the same bytes' if is_same else 'DIFFERENT BYTES'}\n")
    return is_same


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    chosen = parser.parse_args()
    head(chosen)
    few, many = (max(64, round(samples * chosen.scale)) for samples in (2000, 20000))
    found = [
        measure("fusions", FUSIONS, several(few, max(64, few // 8)), 32, chosen.rounds),
        measure("networks for pictures", PICTURES, digits(many, max(64, many // 8), chosen.mirror), 64, chosen.rounds),
    ]
    if not all(found):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
