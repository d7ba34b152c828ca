"""Whether `train.precision: auto` decides well: each encoder and fusion in fp32 and in bf16, beside what `auto` takes.

    python -m benchmarks.precision [--rounds 9] [--scale 1.0] [--threads 1] [--only cnn lstm]

Whole steps of training (forwards, backwards, AdamW) on random samples; both precisions in turn in one process. On a CPU the time is that
of the processor, on a GPU that of the wall. `lost` is how much longer the choice takes than the better of the two.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import geometric_mean, median
from typing import Any

import torch
from torch.nn import functional as F

from benchmarks.measuring import arguments, head, ratios, spread, table, turns
from deconfuse.kernel.params import check
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry
from deconfuse.runtime.device import prepare
from deconfuse.training.optimisation import optimizer
from deconfuse.training.precision import decide

CLASSES = 10
SECONDS = 0.2
"""About how long a contender computes in a round."""
# what embeddings give: layout, shape, vocabulary
INPUTS: dict[str, tuple[str, list[int], int]] = {
    "picture 8": ("image", [1, 8, 8], 0),
    "picture 16": ("image", [1, 16, 16], 0),
    "picture 28": ("image", [1, 28, 28], 0),
    "picture 32": ("image", [3, 32, 32], 0),
    "picture 64": ("image", [3, 64, 64], 0),
    "sound": ("frames", [63, 28], 0),
    "clip 24": ("video", [8, 1, 24, 24], 0),
    "clip 64": ("video", [8, 3, 64, 64], 0),
    "line": ("tokens", [32], 60),
    "text": ("tokens", [128], 5000),
    "features": ("frames", [1, 512], 0),
    "states": ("frames", [32, 768], 0),
}
PRINTED = {"name": "cnn", "channels": [32, 64, 64], "norm": "none", "padding": "valid", "pools": 2, "grid": None, "activation": "relu"}
ALL = {"clip 24": "cnn_lstm", "line": "lstm", "picture 16": "cnn", "sound": "cnn"}


@dataclass(frozen=True)
class Case:
    """A model, and how many samples a step has."""

    encoders: dict[str, Any]
    """Input -> encoder."""
    batch: int = 32
    width: int = 64
    fusion: str | None = None

    def __str__(self) -> str:
        if self.fusion is not None:
            return f"fusion {self.fusion}"
        ((name, encoder),) = self.encoders.items()
        options = "" if isinstance(encoder, str) else " ".join(f"{key} {value}" for key, value in encoder.items() if key != "name")
        title = encoder if isinstance(encoder, str) else "printed cnn" if encoder is PRINTED else f"{encoder['name']} {options}"
        return f"{title}, {name}" + (f", width {self.width}" if self.width != 64 else "")


CASES = [
    *(Case({name: "cnn"}) for name in ("picture 8", "picture 16", "picture 32", "picture 64", "sound")),
    Case({"picture 28": PRINTED}, 128),
    Case({"picture 16": {"name": "cnn", "channels": [32, 64]}}),
    Case({"picture 32": {"name": "cnn", "channels": [8, 8]}}),
    Case({"picture 32": {"name": "cnn", "channels": [64, 128, 256]}}),
    *(Case({name: "deconvolution"}) for name in ("picture 8", "picture 16", "picture 32")),
    Case({"picture 32": {"name": "deconvolution", "channels": [64, 64, 128, 128], "grid": 1}}, 32, 128),
    *(Case({name: "ddnet"}, 64) for name in ("picture 16", "picture 32")),
    *(Case({name: "cnn3d"}) for name in ("clip 24", "clip 64")),
    Case({"clip 64": {"name": "cnn3d", "channels": [32, 64, 128]}}, 16),
    *(Case({name: "cnn_lstm"}) for name in ("clip 24", "clip 64")),
    Case({"clip 24": {"name": "cnn_lstm", "channels": [32, 64]}}),
    *(Case({name: "lstm"}) for name in ("line", "sound")),
    Case({"line": {"name": "lstm", "cell": "gru"}}),
    *(Case({"line": {"name": "lstm", "hidden": hidden, "embedding": 128}}) for hidden in (128, 256)),
    *(Case({"line": "transformer"}, 32, width) for width in (64, 256, 512)),
    Case({"features": "linear"}, 64),
    Case({"states": "linear"}, 64, 512),
    *(Case(ALL, fusion=name) for name in ("concat", "attention", "deconvolution")),
]


def made(case: Case, device: torch.device) -> tuple[Model, Dataset]:
    """An untrained model, and samples for it, of lengths from half to all."""
    torch.manual_seed(0)
    names = {name: name.replace(" ", "_") for name in case.encoders}
    specs, inputs, lengths = {}, {}, {}
    for name, key in names.items():
        layout, shape, vocabulary = INPUTS[name]
        statistics = {"mean": None, "std": None} if vocabulary else {"mean": 0.0, "std": 1.0}
        specs[key] = {"layout": layout, "shape": shape, "vocabulary": vocabulary} | statistics
        size = (case.batch, *shape)
        inputs[key] = torch.randint(2, vocabulary, size) if vocabulary else torch.randn(size)
        if layout != "image":
            lengths[key] = torch.randint((shape[0] + 1) // 2, shape[0] + 1, (case.batch,))
    entry = check({"encoders": {names[name]: it for name, it in case.encoders.items()}, "fusion": case.fusion, "width": case.width}, Entry)
    present = {key: torch.ones(case.batch, dtype=torch.bool) for key in inputs}
    data = Dataset(inputs, lengths, present, torch.randint(0, CLASSES, (case.batch,)))
    return build(entry, specs, torch.zeros(CLASSES), "models.tried").to(device), data.to(device)


def clock(device: torch.device) -> float:
    """Seconds, by now."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def step(model: Model, stepper: torch.optim.Optimizer, data: Dataset) -> None:
    stepper.zero_grad()
    logits, _ = model(data.inputs, data.lengths, data.present)
    F.cross_entropy(logits, data.label).backward()
    stepper.step()


def contender(model: Model, bf16: frozenset[str], once: Callable[[], None], steps: int, device: torch.device) -> float:
    """Milliseconds of a step."""
    model.bf16 = bf16
    began = clock(device)
    for _ in range(steps):
        once()
    return (clock(device) - began) / steps * 1e3


def measure(case: Case, chosen: Any, device: torch.device) -> tuple[list[object], float]:
    """A row of the table, and the time of the choice as a multiple of fp32's."""
    model, data = made(case, device)
    parts = frozenset(model.parts())
    taken = frozenset(decide("auto", model, model.parts(), data, device).bf16)
    once = partial(step, model, optimizer("adamw", model, 0.01, 0.9), data)
    for bf16 in (frozenset(), parts, taken):
        # libraries choose their kernels at the first calls
        contender(model, bf16, once, 2, device)
    steps = max(1, round(SECONDS * chosen.scale / contender(model, frozenset(), once, 1, device) * 1e3))
    ways = {"fp32": frozenset(), "bf16": parts} | ({"auto": taken} if taken and taken != parts else {})
    found = turns({name: partial(contender, model, bf16, once, steps, device) for name, bf16 in ways.items()}, chosen.rounds)
    auto = found["auto"] if "auto" in found else found["fp32"]
    lost = median(auto) / min(median(found["fp32"]), median(found["bf16"])) - 1
    row = [case, case.batch, spread(found["fp32"]), spread(found["bf16"]), spread(ratios(found["bf16"], found["fp32"]), 3)]
    row += [", ".join(sorted(taken)).replace("encoders.", "") or "none", spread(auto), f"{max(0.0, lost):.0%}"]
    return row, median(auto) / median(found["fp32"])


def main() -> None:
    parser = arguments(__doc__ or "", 9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[""], help="cases whose names hold one of these")
    chosen = parser.parse_args()
    head(chosen)
    device = prepare("auto", chosen.threads, "auto")
    found = [measure(case, chosen, device) for case in CASES if any(word in str(case) for word in chosen.only)]
    columns = ["model", "batch", "fp32, ms", "all in bf16, ms", "fp32 / bf16", "auto: in bf16", "auto, ms", "lost"]
    table(columns, [row for row, _ in found])
    print(f"auto takes {geometric_mean([share for _, share in found]):.2f} of fp32's time (geometric mean of {len(found)} models)")


if __name__ == "__main__":
    main()
