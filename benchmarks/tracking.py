"""What it costs a training that MLflow is shown it while it goes on.

    python -m benchmarks.tracking [--rounds 9] [--scale 1.0] [--mirror FOLDER]

The same training by the train stage with one thread, drawn live from its first second or not at all (`tracking.live`), in turn, each into
a new store. `training` is what the epochs take; `stage` the whole process with its imports. The weights are compared, byte by byte.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import project
from benchmarks.engine import MODEL, params
from benchmarks.measuring import arguments, head, ratios, spread, table, turns
from benchmarks.side_by_side import weights
from benchmarks.workloads import WORKLOADS

ON, OFF = "drawn live", "not drawn"


def train(folder: Path) -> tuple[float, float]:
    """Seconds of the epochs and of the stage."""
    cost = project.train(folder, MODEL, 1, MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}")
    found = project.result(folder, MODEL)
    return found["epoch_ended"][-1] - found["started"], cost.seconds


def main() -> None:
    parser = arguments(__doc__ or "", 9)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    chosen = parser.parse_args()
    head(chosen, ("torch", "mlflow", "numpy"))
    workload = WORKLOADS["cnn"]
    samples = max(256, round(workload.samples * chosen.scale))
    epochs = max(2, round(15 * chosen.scale))
    with tempfile.TemporaryDirectory() as place:
        works: dict[str, Any] = {}
        for name, live in ((ON, 0.0), (OFF, None)):
            folder = Path(place) / name.replace(" ", "_")
            wanted = params(workload, epochs, 1) | {"tracking": {"live": live}}
            project.write(folder, *workload.make(samples, max(64, samples // 8), chosen.mirror), wanted)
            works[name] = partial(train, folder)
        found = turns(works, chosen.rounds)
        is_same = len({tuple(weights(Path(place) / name.replace(" ", "_"))) for name in works}) == 1
    rows = []
    for name, taken in found.items():
        training, stage = ([each[part] for each in taken] for part in (0, 1))
        base = [each[0] for each in found[OFF]]
        rows.append([name, spread(training, 4), spread(ratios(base, training), 4), spread(stage, 4)])
    table([f"{samples} samples, {epochs} epochs", "training, s", "x not drawn", "stage, s"], rows)
    print(f"weights: {'the same bytes' if is_same else 'DIFFERENT BYTES'}")


if __name__ == "__main__":
    main()
