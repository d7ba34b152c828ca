"""How soon CIFAR-10 is learnt to 90 % and to 93 %: the fastest recipe that params can say, beside networks made for such races.

    python -m benchmarks.cifar10_speed [--rounds 3] [--scale 1.0] [--goals 0.9 0.93] [--epochs N] [--mirror FOLDER]

Each goal has a recipe, by which our network and its rival are trained in our loop on all 50,000 training pictures; a round is a seed. After
every epoch the 10,000 test pictures are asked, which choose nothing here but the moment that is told, as is the custom of such records.
Times are from the training's start, compiling and recording included, imports and loading left out. It is meant for a GPU: on a CPU it
takes hours, or `--scale 0.01`.
"""

import argparse
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import project
from benchmarks.engine import epoch, to_goal, whole
from benchmarks.measuring import arguments, head, run, short, spread, table, turns
from benchmarks.workloads import pictures

OURS = "cnn"
ENCODER = {"name": "cnn", "channels": [128, 384, 512], "repeat": 3, "residual": True, "pools": 3, "pooled": "first", "grid": 1}
SETTINGS = {
    "batch_size": 512,
    "learning_rate": 4e-3,
    "weight_decay": 0.05,
    "schedule": "linear",
    "warmup": 0.2,
    "label_smoothing": 0.1,
    "ema": 0.99,
}


@dataclass(frozen=True)
class Race:
    """A goal, and the recipe for it."""

    goal: float
    """A share of the test pictures."""
    rival: str
    """A network of `rivals/speedrunner.py`."""
    epochs: dict[str, int]
    """Ours and the rival's."""
    cutout: float
    shifts: bool
    """Whether answers are averaged over shifted pictures, too, beside mirrored ones."""
    mixup: float

    def params(self, name: str, epochs: int | None) -> dict[str, Any]:
        """Of a training; `epochs` instead of the recipe's, where it is given."""
        crop, flip = {"name": "crop", "shift": 4, "averaged": self.shifts}, {"name": "flip", "averaged": True}
        augment = {"image": [crop, flip, {"name": "cutout", "size": self.cutout}]}
        entry = {"encoders": {"image": ENCODER}, "width": 64, "augment": augment}
        return {"train": SETTINGS | {"epochs": epochs or self.epochs[name], "mixup": self.mixup}, "models": {OURS: entry}}


SMALL, DEEP = "airbench94", "airbench96"
RACES = [
    Race(0.90, SMALL, {OURS: 18, SMALL: 20}, cutout=0.25, shifts=False, mixup=0.0),
    Race(0.93, DEEP, {OURS: 40, DEEP: 40}, cutout=0.4, shifts=True, mixup=0.2),
]


def train(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """A network in a project's folder: ours by the train stage, a rival in its place. Says how it went, since all of it takes minutes."""
    if name == OURS:
        cost = project.train(folder, OURS)
        found = project.result(folder, OURS) | whole(cost)
    else:
        cost = run(["benchmarks.rivals.speedrunner", name, OURS, seed], folder=folder)
        found = cost.answer() | whole(cost)
    print(f"{name}, seed {seed}: {[round(value, 4) for value in found['accuracy']]}, {epoch(found):.3g} s an epoch", flush=True)
    return found


def measure(race: Race, chosen: argparse.Namespace, made: Any, is_gpu: bool) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in race.epochs}
    with tempfile.TemporaryDirectory() as place:
        for seed in range(chosen.rounds):
            works = {}
            for name in race.epochs:
                folder = Path(place) / f"{name}_{seed}"
                params = race.params(name, chosen.epochs)
                project.write(folder, *made, params | {"train": params["train"] | {"seeds": [seed], "cuda_graph": is_gpu}})
                works[name] = partial(train, folder, name, seed)
            for name, results in turns(works, 1).items():
                found[name] += results
    return found


def show(race: Race, found: dict[str, list[dict[str, Any]]]) -> None:
    times = {name: median(to_goal(one, race.goal) for one in results) for name, results in found.items()}
    rows = []
    for name, results in found.items():
        ratio = times[name] / times[race.rival] if times[race.rival] < float("inf") else None
        accuracy = spread(one["accuracy"][-1] for one in results)
        reached = f"{sum(to_goal(one, race.goal) < float('inf') for one in results)} of {len(results)}"
        seconds = spread(map(epoch, results))
        rows.append(
            [name, short(times[name]), reached, "-" if ratio is None else short(ratio), accuracy, str(len(results[0]["accuracy"])), seconds]
        )
    goal = f"{race.goal:.0%}"
    table(["network", f"s to {goal}", "reached by", f"x {race.rival}", "last accuracy", "epochs", "s an epoch"], rows)


def main() -> None:
    parser = arguments(__doc__ or "", 3)
    parser.add_argument("--epochs", type=int, help="of all trainings, instead of each recipe's")
    parser.add_argument("--goals", nargs="+", type=float, default=[race.goal for race in RACES], choices=[race.goal for race in RACES])
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are noise, of which nothing is learnt")
    chosen = parser.parse_args()
    if chosen.epochs is not None and chosen.epochs < 2:
        parser.error("--epochs: give 2 or more, since the first one's time, with all that it prepares, is left out")
    head(chosen)
    name = run(["benchmarks.gpu_name"]).said.strip()
    print(f"GPU: {name or 'none'}\n")
    samples = max(256, round(50_000 * chosen.scale))
    made = pictures(samples, samples // 5, chosen.mirror)
    for race in RACES:
        if race.goal in chosen.goals:
            show(race, measure(race, chosen, made, bool(name)))


if __name__ == "__main__":
    main()
