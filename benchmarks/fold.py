"""The printed conv-deconv network by its formula: ours against a plain port of the same function.

    python -m benchmarks.fold [--rounds 5] [--scale 1.0] [--threads 2]

conv - transposed conv in turn, 32, 64 and 128 channels, 32 x 32 to 256 x 256, the last transposed convolution linear; then the mean over
all places and a classifier. Ours works the last mean out without its map and is trained by the train stage, in fp32 and bf16; the port by a
loop by hand. That they are the same function is shown first, in double precision.
"""

import argparse
import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import project
from benchmarks.engine import MODEL, engine, epoch, params, rival
from benchmarks.measuring import arguments, head, ratios, run, spread, table, turns
from benchmarks.workloads import WORKLOADS

NAME = "pooled_deconv"
PLAIN = "plain port, fp32"


def difference() -> None:
    """Print by how much logits and gradients of the two differ, as a share of their size."""
    import torch

    from benchmarks.rivals.networks import seeded
    from deconfuse.encoders import Spec
    from deconfuse.encoders.deconvolution import Deconvolution

    options = {key: value for key, value in WORKLOADS[NAME].entry["encoders"]["image"].items() if key != "name"}
    plain, ours = seeded(NAME).double(), Deconvolution(Spec("image", (3, 32, 32)), 10, **options).double()
    for mine, theirs in zip(ours.state_dict().values(), plain.state_dict().values(), strict=True):
        mine.copy_(theirs)
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    answers = [plain(x), ours(x)[0][:, 0]]
    for answer in answers:
        answer.square().sum().backward()
    gradients = [torch.cat([value.grad.flatten() for value in model.parameters()]) for model in (plain, ours)]
    print(json.dumps([float((b - a).detach().norm() / a.detach().norm()) for a, b in (answers, gradients)]))


def measure(chosen: argparse.Namespace, samples: int) -> dict[str, list[Any]]:
    workload = WORKLOADS[NAME]
    with tempfile.TemporaryDirectory() as place:
        contenders = {PLAIN: partial(rival, chosen.threads, "loop", Path(place) / "fp32", NAME)}
        for precision in ("fp32", "bf16"):
            folder = Path(place) / precision
            wanted = params(workload, workload.epochs, chosen.threads)
            wanted["train"]["precision"] = precision
            project.write(folder, *workload.make(samples, 2, None), wanted)
            contenders[f"ours, {precision}"] = partial(engine, folder, chosen.threads)
        return turns(contenders, chosen.rounds)


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--threads", type=int, default=2)
    chosen = parser.parse_args()
    head(chosen)
    logits, gradients = run(["benchmarks.fold", "difference"]).answer()
    print(f"the two differ in logits by {logits:.1g} and in gradients by {gradients:.1g} of their size, in double precision\n")
    samples = max(2, round(WORKLOADS[NAME].samples * chosen.scale))
    found = measure(chosen, samples)
    taken = {name: [1000 * epoch(one) / samples for one in results] for name, results in found.items()}
    rows = [
        [name, spread(times), spread(ratios(times, taken[PLAIN])), f"{median(one['mebibytes'] for one in found[name]):.0f}"]
        for name, times in taken.items()
    ]
    table([f"{MODEL} of {samples} samples, batches of 16", "ms a sample", "times as fast", "MiB"], rows)


if __name__ == "__main__":
    if sys.argv[1:] == ["difference"]:
        difference()
    else:
        main()
