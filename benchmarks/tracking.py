"""What it costs a training that MLflow is shown it while it goes on.

    python -m benchmarks.tracking [--rounds 20] [--scale 1.0] [--threads 1] [--mirror FOLDER]

The same training by the train stage, drawn live from its first second or not at all (`tracking.live`), in turn, each into a new store.
`training` is what the epochs take, by the clock; `stage, CPU s` is what the process itself computes, imports included; `follower, CPU s`
is what the process that draws computes beside it, at a low priority. Each round waits for the follower to end. The weights are compared,
byte by byte.

What drawing costs is nearly all in the follower's start, so hardly depends on how long a training is, while what a machine wavers by
grows with it: short trainings tell it best. `s more` is the mean over the rounds of what the drawn one took more by the clock, with its
95 % interval (Student's t); the last column is that over the seconds from which on a training is drawn by default.
"""

import ctypes
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import project
from benchmarks.engine import MODEL, params
from benchmarks.measuring import arguments, head, ratios, spread, table, turns
from benchmarks.side_by_side import weights
from benchmarks.workloads import WORKLOADS
from deconfuse.metrics import half_width
from deconfuse.params.tracking import Tracking

ON, OFF = "drawn live", "not drawn"
DEFAULT = Tracking().live or 0.0
"""Seconds."""


def train(folder: Path, threads: int) -> tuple[float, float, float]:
    """Seconds of the epochs by the clock, CPU seconds of the stage itself, and of the follower, whichever ends first."""
    (folder / "mlflow.db").unlink(missing_ok=True)
    cost = project.train(folder, MODEL, threads, MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}")
    found = project.result(folder, MODEL)
    return found["epoch_ended"][-1] - found["started"], cost.cpu - cost.children, cost.children + left()


def adopt() -> None:
    """Let the system make this process the parent of those that its children leave behind (Linux)."""
    subreaper = 36
    if ctypes.CDLL(None).prctl(subreaper, 1, 0, 0, 0) != 0:
        raise SystemExit("error: this system does not let a process adopt others")


def left() -> float:
    """Wait for what children have left behind; its CPU seconds."""
    total = 0.0
    while True:
        try:
            usage = os.wait4(-1, 0)[2]
        except ChildProcessError:
            return total
        total += usage.ru_utime + usage.ru_stime


def more(drawn: list[float], not_drawn: list[float]) -> list[str]:
    """The mean of what was paid more, with its interval, in seconds and in percent of the shortest training that is drawn by default."""
    difference = np.subtract(drawn, not_drawn)
    half = half_width(difference)
    ends = [difference.mean() + by for by in (0.0, -half, half)]
    return [f"{a:.2f} ({b:.2f} to {c:.2f})" for a, b, c in (ends, [100 * end / DEFAULT for end in ends])]


def main() -> None:
    parser = arguments(__doc__ or "", 20)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    parser.add_argument("--threads", type=int, default=1, help="of the training (default 1)")
    chosen = parser.parse_args()
    adopt()
    head(chosen, ("torch", "mlflow", "numpy"))
    workload = WORKLOADS["cnn"]
    samples = max(256, round(5120 * chosen.scale))
    epochs = max(2, round(11 * chosen.scale))
    with tempfile.TemporaryDirectory() as place:
        works: dict[str, Any] = {}
        for name, live in ((ON, 0.0), (OFF, None)):
            folder = Path(place) / name.replace(" ", "_")
            wanted = params(workload, epochs, chosen.threads) | {"tracking": {"live": live}}
            project.write(folder, *workload.make(samples, max(64, samples // 8), chosen.mirror), wanted)
            works[name] = partial(train, folder, chosen.threads)
        found = turns(works, chosen.rounds)
        is_same = len({tuple(weights(Path(place) / name.replace(" ", "_"))) for name in works}) == 1
    rows = []
    for name, taken in found.items():
        training, stage, follower = ([each[part] for each in taken] for part in range(3))
        base, computed = ([each[part] for each in found[OFF]] for part in range(2))
        clock, cpu = ([spread(values, 4), spread(ratios(first, values), 4)] for first, values in ((base, training), (computed, stage)))
        rows.append([name, *clock, *cpu, spread(follower), *(more(training, base) if name == ON and chosen.rounds > 1 else ["", ""])])
    shortest = f"% of {DEFAULT:.0f} s"
    columns = ["training, s", "x not drawn", "stage, CPU s", "x not drawn", "follower, CPU s", "s more", shortest]
    table([f"{samples} samples, {epochs} epochs", *columns], rows)
    print(f"weights: {'the same bytes' if is_same else 'DIFFERENT BYTES'}")


if __name__ == "__main__":
    main()
