"""What this machine can do at most: large matrix products and a large convolution, forwards.

    python -m benchmarks.ceilings [--rounds 5] [--scale 1.0] [--json]

Every other table tells its FLOP/s as a share of these, measured in the same run.
"""

import json
import time
from collections.abc import Callable

import torch
from torch.nn import functional as F

from benchmarks.measuring import arguments, head, spread, table

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def seconds(work: Callable[[], object], device: torch.device, least: float) -> float:
    """The best time of a call, over at least so many seconds after one call that does not count."""
    work()
    found, end = [], time.perf_counter() + least
    while not found or time.perf_counter() < end:
        wait(device)
        begun = time.perf_counter()
        work()
        wait(device)
        found.append(time.perf_counter() - begun)
    return min(found)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def rates(device: torch.device, scale: float) -> dict[str, float]:
    """Operation and type -> FLOP/s, the convolution with channels last."""
    large = device.type == "cuda"
    size = max(64, round((8192 if large else 2048) * scale))
    batch = max(2, round((512 if large else 64) * scale))
    found = {}
    with torch.inference_mode():
        for name, kind in TYPES.items():
            a, b = (torch.randn(size, size, device=device, dtype=kind) for _ in range(2))
            found[f"matmul {name}"] = 2 * size**3 / seconds(lambda a=a, b=b: a @ b, device, 0.5 * scale)
            x = torch.randn(batch, 64, 32, 32, device=device, dtype=kind).to(memory_format=torch.channels_last)
            w = torch.randn(64, 64, 3, 3, device=device, dtype=kind).to(memory_format=torch.channels_last)
            taken = seconds(lambda x=x, w=w: F.conv2d(x, w, padding=1), device, 0.5 * scale)
            found[f"conv {name}"] = 2 * batch * 32 * 32 * 64 * 64 * 9 / taken
    return found


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--json", action="store_true", help="print one round for a program")
    chosen = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if chosen.json:
        print(json.dumps(rates(device, chosen.scale)))
        return
    head(chosen)
    found = [rates(device, chosen.scale) for _ in range(chosen.rounds)]
    print(f"{device}, {torch.get_num_threads()} threads of torch")
    table(["operation", "GFLOP/s"], [[name, spread(round_[name] / 1e9 for round_ in found)] for name in found[0]])


if __name__ == "__main__":
    main()
