"""Heads on cached embeddings: what a model costs that only joins what frozen networks have given.

    python -m benchmarks.heads [--rounds 5] [--scale 1.0] [--threads 1]

3,000 samples of three modalities, 64 numbers each; 12 epochs of batches of 64; each model by the train stage in a process of its own.
`in fit` is the training, validation included; `stage` is all of the process, imports first.
"""

import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import project
from benchmarks.measuring import arguments, head, spread, table, turns
from benchmarks.workloads import features

MODALITIES = ("audio", "image", "text")
FUSIONS = ("concat", "late", "gated", "attention", "cross_attention", "bottleneck", "low_rank", "deconvolution")
EPOCHS = 12


def models() -> dict[str, dict]:
    linear = dict.fromkeys(MODALITIES, "linear")
    return {"alone": {"encoders": {"image": "linear"}}} | {name: {"encoders": linear, "fusion": name} for name in FUSIONS}


def train(folder: Path, name: str, threads: int) -> tuple[float, float, float, float]:
    """Seconds in fit, seconds of the stage, MiB, and the last accuracy."""
    cost = project.train(folder, name, threads)
    found = project.result(folder, name)
    return found["epoch_ended"][-1] - found["started"], cost.seconds, cost.mebibytes, found["accuracy"][-1]


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=list(models()), choices=list(models()))
    chosen = parser.parse_args()
    head(chosen)
    samples = max(64, round(3000 * chosen.scale))
    with tempfile.TemporaryDirectory() as place:
        splits, labels = features(64)(samples, max(64, samples // 8), None)
        several = {split: dict.fromkeys(MODALITIES, arrays["feature"]) for split, arrays in splits.items()}
        settings = {"epochs": EPOCHS, "batch_size": 64, "threads": chosen.threads}
        project.write(Path(place), several, labels, {"train": settings, "models": models()})
        found = turns({name: partial(train, Path(place), name, chosen.threads) for name in chosen.models}, chosen.rounds)
    rows = []
    for name, results in found.items():
        fit, stage, mebibytes, accuracy = zip(*results, strict=True)
        rows.append([name, spread(fit), spread(stage), f"{median(mebibytes):.0f}", f"{median(accuracy):.3f}"])
    table([f"model, {samples} samples", "in fit, s", "stage, s", "MiB", "val accuracy"], rows)


if __name__ == "__main__":
    main()
