"""The training engine against loops that one writes by hand, and against Lightning's Trainer.

    python -m benchmarks.engine [--rounds 5] [--scale 1.0] [--threads 1] [--mirror FOLDER] [--workloads head cnn ...] [--no-lightning]

Every contender trains the same task in fp32 in a process of its own, ours by the train stage. All account for the same: a loss and an
accuracy an epoch of train and val, a schedule of the rate. The first epoch does not count. `--mirror` is a folder with public sets;
without it pictures are made up.

| contender | model | batches |
|---|---|---|
| engine | ours | of the whole split in memory |
| same model, by hand | ours | by index: what is left is the engine's overhead |
| bare layers, by hand | plain | by index |
| DataLoader | plain | stacked sample by sample; pictures changed by torchvision |
| Lightning, batches resident | plain | by index; `barebones=True` |
| Lightning, barest | plain | of the DataLoader; `barebones=True` |
| Lightning, default | plain | of the DataLoader; logger, checkpoints, progress bar |
"""

import argparse
import tempfile
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import project
from benchmarks.measuring import Cost, arguments, head, ratios, run, spread, table, turns
from benchmarks.workloads import WORKLOADS, Workload

INSTALL = (
    "error: Lightning is not installed; `uv pip install --group benchmark -c constraints.txt` installs it, `--no-lightning` does without it"
)
MODEL = "model"
COMPARED = ["head", "wide_head", "cnn", "conv_deconv"]
ENGINE = "engine"
COLUMNS = [
    "contender",
    "ms/step",
    "x engine",
    "samples/s",
    "GFLOP/s",
    "of matmul",
    "of conv",
    "s to goal",
    "val accuracy",
    "MiB",
    "s in all",
]


def engine(folder: Path, threads: int) -> dict[str, Any]:
    cost = project.train(folder, MODEL, threads)
    return project.result(folder, MODEL) | whole(cost)


def rival(threads: int, *words: str | Path) -> dict[str, Any]:
    cost = run([f"benchmarks.rivals.{words[0]}", *words[1:]], threads)
    return cost.answer() | whole(cost)


def whole(cost: Cost) -> dict[str, Any]:
    return {"all": cost.seconds, "mebibytes": cost.mebibytes}


def contenders(folder: Path, name: str, threads: int, with_lightning: bool) -> dict[str, Any]:
    by = partial(partial, rival, threads)
    ours_and_loops = {
        ENGINE: partial(engine, folder, threads),
        "same model, by hand": by("loop", folder, name, "--own", MODEL),
        "bare layers, by hand": by("loop", folder, name),
        "DataLoader": by("loader", folder, name),
    }
    if not with_lightning:
        return ours_and_loops
    return ours_and_loops | {
        "Lightning, batches resident": by("trainer", folder, name, "resident"),
        "Lightning, barest": by("trainer", folder, name, "barest"),
        "Lightning, default": by("trainer", folder, name, "default"),
    }


def params(workload: Workload, epochs: int, threads: int) -> dict[str, Any]:
    return {"train": workload.train | {"epochs": epochs, "threads": threads, "precision": "fp32"}, "models": {MODEL: workload.entry}}


def epoch(found: dict[str, Any]) -> float:
    """Seconds of an epoch, the median of all but the first."""
    ended = found["epoch_ended"]
    return median(b - a for a, b in pairwise(ended))


def to_goal(found: dict[str, Any], goal: float) -> float:
    """Seconds from the training's start to the end of the first epoch that is so good; infinite where none is."""
    times = [end - found["started"] for end, accuracy in zip(found["epoch_ended"], found["accuracy"], strict=True) if accuracy >= goal]
    return min(times, default=float("inf"))


def measure(name: str, chosen: argparse.Namespace) -> None:
    workload = WORKLOADS[name]
    samples = max(2 * workload.train["batch_size"], round(workload.samples * chosen.scale))
    epochs = workload.epochs
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        made = workload.make(samples, max(64, samples // 8), chosen.mirror)
        project.write(folder, *made, params(workload, epochs, chosen.threads))
        ceilings = {"ceilings": partial(run, ["benchmarks.ceilings", "--json", "--scale", str(min(1.0, chosen.scale))], chosen.threads)}
        found = turns(contenders(folder, name, chosen.threads, chosen.lightning) | ceilings, chosen.rounds)
    show(name, workload, samples, found)


def show(name: str, workload: Workload, samples: int, found: dict[str, list[Any]]) -> None:
    peaks = [cost.answer() for cost in found.pop("ceilings")]
    matmul, conv = (median(peak[f"{kind} fp32"] for peak in peaks) for kind in ("matmul", "conv"))
    cost = run(["benchmarks.rivals.networks", name]).answer()
    steps = -(-samples // workload.train["batch_size"])
    ours = [epoch(one) for one in found[ENGINE]]
    print(f"### {name}: {samples} samples, batches of {workload.train['batch_size']}, {workload.epochs} epochs, goal {workload.goal}")
    print(f"{cost / 1e6:.3g} MFLOP a sample; fp32 matmul {matmul / 1e9:.0f} GFLOP/s, conv {conv / 1e9:.0f}\n")
    rows = []
    for contender, results in found.items():
        taken = [epoch(one) for one in results]
        rate = samples * cost / median(taken)
        goal = [to_goal(one, workload.goal) for one in results]
        rows.append([
            contender,
            spread(1000 * value / steps for value in taken),
            spread(ratios(ours, taken)),
            f"{samples / median(taken):,.0f}",
            f"{rate / 1e9:.3g}",
            f"{100 * rate / matmul:.2g} %",
            f"{100 * rate / conv:.2g} %",
            f"{median(goal):.3g}",
            f"{median(one['accuracy'][-1] for one in results):.3f}",
            f"{median(one['mebibytes'] for one in results):.0f}",
            spread(one["all"] for one in results),
        ])  # fmt: skip
    table(COLUMNS, rows)


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    parser.add_argument("--workloads", nargs="+", default=COMPARED, choices=COMPARED)
    parser.add_argument("--no-lightning", dest="lightning", action="store_false", help="leave Lightning out")
    chosen = parser.parse_args()
    if chosen.lightning and find_spec("lightning") is None:
        raise SystemExit(INSTALL)
    head(chosen, ("torch", "torchvision", "numpy", *(["lightning"] if chosen.lightning else [])))
    for name in chosen.workloads:
        measure(name, chosen)


if __name__ == "__main__":
    main()
