"""The training engine against Keras running the printed networks as printed.

    python -m benchmarks.keras --python PATH [--rounds 5] [--scale 1.0] [--threads 2] [--mirror FOLDER] [--workloads printed_cnn ...]

PATH is the Python of an environment that has TensorFlow, which does not go together with this project's own. The same pictures, batches,
optimiser (Adam, 0.001), epochs and val; processes in turn; the first epoch, in which Keras traces, does not count. Ours is the train stage
itself, with `train.precision` as it is by default.

| workload | network |
|---|---|
| printed_cnn | conv 32 - pool - conv 64 - pool - conv 64 - FC 64 - 10 on 28 x 28 |
| printed_lstm | LSTM(64) - LSTM(64) - 10 on 28 steps of 28 values |
| pooled_deconv | conv - transposed conv in turn, 32 to 128 channels, by its formula: the mean of a linear last map is classified |
| printed_deconv | the same as its code has it: batch norm, ReLU and the whole map classified, by 84 million weights |
"""

import argparse
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import project
from benchmarks.engine import ENGINE, engine, epoch, params, to_goal, whole
from benchmarks.measuring import arguments, head, ratios, run, spread, table, turns
from benchmarks.workloads import WORKLOADS

KERAS = "Keras"
NAMES = ["printed_cnn", "printed_lstm", "pooled_deconv", "printed_deconv"]
INSTALL = (
    "error: {} has no TensorFlow; install it into an environment of its own: `python -m venv keras_env`, "
    "`keras_env/bin/pip install tensorflow-cpu`; then say `--python keras_env/bin/python`"
)
COLUMNS = ["workload", "by", "ms/step", "x engine", "samples/s", "s to goal", "val accuracy", "first epoch, s", "MiB", "s in all"]


def keras(folder: Path, name: str, threads: int, python: str) -> dict[str, Any]:
    cost = run(["benchmarks.rivals.keras_fit", folder, name], threads, python=python)
    return cost.answer() | whole(cost)


def versions(python: str) -> str:
    """Raises SystemExit where it has no TensorFlow."""
    ask = "from importlib.metadata import version; print(*(f'{n} {version(n)}' for n in ('tensorflow-cpu', 'keras')), sep=', ')"
    try:
        return subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise SystemExit(INSTALL.format(python)) from None


def measure(name: str, chosen: argparse.Namespace) -> list[list[str]]:
    workload = WORKLOADS[name]
    size = workload.train["batch_size"]
    samples = max(2 * size, round(workload.samples * chosen.scale))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        wanted = params(workload, workload.epochs, chosen.threads)
        wanted["train"]["precision"] = "auto"
        project.write(folder, *workload.make(samples, max(16, samples // 8), chosen.mirror), wanted)
        both = {ENGINE: partial(engine, folder, chosen.threads), KERAS: partial(keras, folder, name, chosen.threads, chosen.python)}
        found = turns(both, chosen.rounds)
    ours = [epoch(one) for one in found[ENGINE]]
    return [row(name, by, results, ours, samples, size, workload.goal) for by, results in found.items()]


def row(name: str, by: str, results: list[Any], ours: list[float], samples: int, size: int, goal: float) -> list[str]:
    taken = [epoch(one) for one in results]
    return [
        f"{name}, {samples} samples",
        by,
        spread(1000 * value / -(-samples // size) for value in taken),
        spread(ratios(ours, taken)),
        f"{samples / median(taken):,.1f}",
        f"{median(to_goal(one, goal) for one in results):.3g}",
        f"{median(one['accuracy'][-1] for one in results):.3f}",
        f"{median(one['epoch_ended'][0] - one['started'] for one in results):.3g}",
        f"{median(one['mebibytes'] for one in results):.0f}",
        spread(one["all"] for one in results),
    ]


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--python", default="python", help="the Python that has TensorFlow")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    parser.add_argument("--workloads", nargs="+", default=NAMES, choices=NAMES)
    chosen = parser.parse_args()
    other = versions(chosen.python)
    head(chosen)
    print(f"{KERAS}: {other}\n")
    table(COLUMNS, [line for name in chosen.workloads for line in measure(name, chosen)])


if __name__ == "__main__":
    main()
