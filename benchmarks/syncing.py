"""How long it takes to draw the runs of a hundred trainings in MLflow, and to find that there is nothing to draw.

    python -m benchmarks.syncing [--rounds 3] [--scale 1.0]

One small network is trained and evaluated by the stages, and copied under other names and digests. `all` is `make sync` into a new SQLite
store, its tables and Python's imports included; `nothing` is the same command once more. `CPU` is that of `all`; a run's size is that of
its files, the model that serves it included, `weights` what the weights take of it.
"""

import json
import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Any

from benchmarks import project
from benchmarks.measuring import arguments, head, run, spread, table
from benchmarks.workloads import WORKLOADS

MODEL = "cnn"
ENTRY = {"encoders": {"image": "cnn"}}


def prepare(folder: Path, runs: int) -> None:
    """A project of so many trained and evaluated models."""
    splits, labels = WORKLOADS["cnn"].make(256, 64, None)
    for part in (splits, labels):
        part["test"] = part["val"]
    params = {"train": {"epochs": 20, "threads": 1}, "models": {MODEL: ENTRY}, "evaluate": {"analyses": []}}
    project.write(folder, splits, labels, params)
    edit(folder / "data/prepared/schema.json", lambda told: told["modalities"]["image"].update(kind="image"))
    (folder / "data/raw").mkdir()
    (folder / "data/raw/source.json").write_text('{"digest": "source"}')
    edit(folder / "data/embedded/spec/image.json", lambda told: told["params"].update(name="pixels"))
    for stage in ("train", "evaluate"):
        run([f"stages.{stage}", MODEL], folder=folder)
    models = [f"{MODEL}_{number}" for number in range(runs)]
    for model in models:
        copy(folder, model)
    (folder / "params.yaml").write_text(json.dumps(params | {"models": dict.fromkeys(models, ENTRY)}))


def copy(folder: Path, model: str) -> None:
    """The model once more, under another name and other digests."""
    for part in ("data/models", "reports/models"):
        shutil.copytree(folder / part / MODEL, folder / part / model)

    def other(told: dict[str, Any]) -> None:
        told["digest"] = sha256(f"{told['digest']} {model}".encode()).hexdigest()

    edit(folder / "data/models" / model / "model.json", lambda told: told.update(name=model))
    edit(folder / "data/models" / model / "run.json", lambda told: [other(one) for one in (told, *told["seeds"].values())])


def edit(path: Path, change: Any) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def size(folder: Path, name: str = "*") -> int:
    """Bytes of the files of this name below a folder."""
    return sum(path.stat().st_size for path in folder.rglob(name) if path.is_file())


def main() -> None:
    chosen = arguments(__doc__ or "", 3).parse_args()
    head(chosen, ("mlflow", "sqlalchemy"))
    runs = max(2, round(100 * chosen.scale))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        prepare(folder, runs)
        costs = []
        for number in range(chosen.rounds):
            store = folder / f"store_{number}"
            store.mkdir()
            costs.append([run(["deconfuse.tracking"], folder=folder, MLFLOW_TRACKING_URI=f"sqlite:///{store}/mlflow.db") for _ in range(2)])
            assert costs[-1][0].said.startswith(f"{runs} runs written") and costs[-1][1].said.startswith("0 runs written")
        kept = [size(store / "mlruns", name) / runs / 2**20 for name in ("*", "*.safetensors")]
    rows = [[runs, *(spread(one.seconds for one in turn) for turn in zip(*costs, strict=True)), spread(first.cpu for first, _ in costs)]]
    table(["runs", "all, s", "nothing, s", "CPU, s", "MiB a run", "weights"], [[*row, *(f"{one:.2f}" for one in kept)] for row in rows])


if __name__ == "__main__":
    main()
