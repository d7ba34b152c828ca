"""How soon CIFAR-10 is learnt to 90 % and to 93 %: the fastest recipe that params can say, beside a network made for the race.

    python -m benchmarks.cifar10_speed [--rounds 3] [--scale 1.0] [--epochs 24] [--mirror FOLDER]

Both are trained in our loop on all 50,000 training pictures with the same settings; a round is a seed. After every epoch the 10,000 test
pictures are asked, which choose nothing here but the moment that is told, as is the custom of such records. Times are from the training's
start, compiling and recording included, imports and loading left out. It is meant for a GPU: on a CPU it takes hours, or `--scale 0.01`.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import project
from benchmarks.engine import epoch, to_goal, whole
from benchmarks.measuring import arguments, head, run, short, spread, table, turns
from benchmarks.workloads import pictures

OURS, RIVAL = "cnn", "network made for the race"
GOALS = (0.90, 0.93)
SETTINGS = {
    "batch_size": 512,
    "learning_rate": 4e-3,
    "weight_decay": 0.05,
    "schedule": "linear",
    "warmup": 0.2,
    "label_smoothing": 0.1,
    "ema": 0.99,
}
ENTRY = {
    "encoders": {"image": {"name": "cnn", "channels": [64, 128, 128, 256, 256], "repeat": 2, "residual": True, "pools": 3, "grid": 1}},
    "width": 64,
    "augment": {"image": [{"name": "crop", "shift": 4}, "flip", {"name": "cutout", "size": 0.25}]},
}


def train(place: Path, made: Any, settings: dict[str, Any], seed: int) -> dict[str, Any]:
    """Our model, by the train stage."""
    folder = place / f"seed_{seed}"
    project.write(folder, *made, {"train": settings | {"seeds": [seed]}, "models": {OURS: ENTRY}})
    cost = project.train(folder, OURS)
    return project.result(folder, OURS) | whole(cost)


def race(place: Path, seed: int) -> dict[str, Any]:
    """The other network, in the same project."""
    cost = run(["benchmarks.rivals.speedrunner", OURS, seed], folder=place / f"seed_{seed}")
    return cost.answer() | whole(cost)


def measure(chosen: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    samples = max(256, round(50_000 * chosen.scale))
    made = pictures(samples, samples // 5, chosen.mirror)
    is_gpu = bool(run(["benchmarks.gpu_name"]).said.strip())
    settings = SETTINGS | {"epochs": chosen.epochs, "cuda_graph": is_gpu}
    with tempfile.TemporaryDirectory() as place:
        found: dict[str, list[dict[str, Any]]] = {OURS: [], RIVAL: []}
        for seed in range(chosen.rounds):
            works = {OURS: partial(train, Path(place), made, settings, seed), RIVAL: partial(race, Path(place), seed)}
            for name, results in turns(works, 1).items():
                found[name] += results
    return found


def main() -> None:
    parser = arguments(__doc__ or "", 3)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are noise, of which nothing is learnt")
    chosen = parser.parse_args()
    head(chosen)
    print(f"GPU: {run(['benchmarks.gpu_name']).said.strip() or 'none'}\n")
    found = measure(chosen)
    times = {name: [median(to_goal(one, goal) for one in results) for goal in GOALS] for name, results in found.items()}
    rows = []
    for name, results in found.items():
        accuracy = spread(one["accuracy"][-1] for one in results)
        ratios = [short(a / b) if b < float("inf") else "-" for a, b in zip(times[name], times[RIVAL], strict=True)]
        rows.append([name, *map(short, times[name]), *ratios, accuracy, spread(map(epoch, results)), f"{results[0]['mebibytes']:.0f}"])
    goals = [f"{goal:.0%}" for goal in GOALS]
    table(["network", *(f"s to {goal}" for goal in goals), *(f"x at {goal}" for goal in goals), "last accuracy", "s an epoch", "MiB"], rows)


if __name__ == "__main__":
    main()
