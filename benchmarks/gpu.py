"""A GPU at work: the engine with the whole split in its memory and its step as a CUDA graph, against a DataLoader loop.

    python -m benchmarks.gpu [--rounds 3] [--scale 1.0] [--mirror FOLDER] [--networks cnn conv_deconv printed_pooled]

Two small networks, of 28 x 28 digits and of 32 x 32 pictures, in batches of 512 that are shifted (and mirrored): samples a second of the
engine in its own choice of precision, recorded as a graph, compiled as well, and step by step, and of the DataLoader with eight workers,
in the precision that torch takes by itself. Then the printed network, 32 x 32 to 256 x 256, pooled, in bf16: FLOP/s as a share of what a
large matrix product reaches in the same run. Needs a GPU; `--anyway` runs it on a CPU, without the graph, to see that it runs.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import project
from benchmarks.engine import engine, epoch, params, rival
from benchmarks.measuring import arguments, head, ratios, run, spread, table, turns
from benchmarks.workloads import ADAM, WORKLOADS, Workload, colours, printed

SMALL, LARGE = ["cnn", "conv_deconv"], "printed_pooled"
LOADER = "DataLoader"


def ways(is_gpu: bool) -> dict[str, dict[str, bool]]:
    """How the engine is asked to do its steps."""
    recorded = {"cuda_graph": is_gpu}
    return {"CUDA graph": recorded, "CUDA graph, compiled": recorded | {"compile": True}, "step by step": {}}


def variant(place: Path, name: str, made: Any, workload: Workload, batch: int, epochs: int, **settings: Any) -> Path:
    folder = place / name
    wanted = params(workload, epochs, 1)
    wanted["train"] |= {"batch_size": batch, **settings}
    project.write(folder, *made, wanted)
    return folder


def small(chosen: argparse.Namespace, place: Path, name: str) -> None:
    """Print the table of a small network."""
    workload = WORKLOADS[name]
    samples, batch = max(256, round(48_000 * chosen.scale)), max(16, round(512 * min(1, 10 * chosen.scale)))
    made = workload.make(samples, max(64, samples // 8), chosen.mirror)
    make = partial(variant, place / name, made=made, workload=workload, batch=batch, epochs=5)
    contenders = {
        f"engine, {way}": partial(engine, make(way, precision="auto", **settings), 1) for way, settings in ways(not chosen.anyway).items()
    } | {LOADER: partial(rival, 1, "loader", make(LOADER), name)}
    found = turns(contenders, chosen.rounds)
    taken = {contender: [epoch(one) for one in results] for contender, results in found.items()}
    rows = []
    for contender, seconds in taken.items():
        memory = f"{median(one['mebibytes'] for one in found[contender]):.0f}"
        accuracy = f"{median(one['accuracy'][-1] for one in found[contender]):.3f}"
        speeds = [samples / one for one in seconds]
        rows.append([contender, spread(speeds), spread(ratios(seconds, taken[LOADER])), accuracy, memory])
    table([f"{name}: {samples} pictures, batches of {batch}", "samples/s", f"x {LOADER}", "val accuracy", "MiB of the host"], rows)


def large(chosen: argparse.Namespace, place: Path) -> None:
    """Print the table of the printed network."""
    samples, batch = max(4, round(12_500 * chosen.scale)), max(2, round(125 * min(1, 10 * chosen.scale)))
    workload = Workload(colours, "image", printed([32, 64, 128], grid=1), ADAM, samples, 4, 1.0)
    make = partial(variant, place, made=colours(samples, 2, None), workload=workload, batch=batch, epochs=4, precision="bf16")
    cost = run(["benchmarks.rivals.networks", LARGE]).answer()
    ceilings = partial(run, ["benchmarks.ceilings", "--json", "--scale", str(min(1.0, chosen.scale))], 1)
    contenders = {
        f"engine, {way}": partial(engine, make(f"{LARGE} {way}", **settings), 1) for way, settings in ways(not chosen.anyway).items()
    }
    found = turns(contenders | {"ceilings": ceilings}, chosen.rounds)
    peaks = [one.answer() for one in found.pop("ceilings")]
    rows = []
    for contender, results in found.items():
        rates = [samples * cost / epoch(one) for one in results]
        shares = [
            spread(100 * rate / peak[f"{kind} bf16"] for rate, peak in zip(rates, peaks, strict=True)) + " %" for kind in ("matmul", "conv")
        ]
        rows.append([contender, spread(rate / cost for rate in rates), spread(rate / 1e12 for rate in rates), *shares])
    table([f"printed network, pooled, bf16; batches of {batch}", "samples/s", "TFLOP/s", "of matmul", "of conv"], rows)


def main() -> None:
    parser = arguments(__doc__ or "", 3)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    parser.add_argument("--networks", nargs="+", default=[*SMALL, LARGE], choices=[*SMALL, LARGE])
    parser.add_argument("--anyway", action="store_true", help="run on a CPU, to see that it runs")
    chosen = parser.parse_args()
    if not chosen.anyway and not run(["benchmarks.gpu_name"]).said.strip():
        raise SystemExit("error: torch finds no GPU here; `--anyway` runs it on the CPU, to see that it runs")
    head(chosen)
    print(f"GPU: {run(['benchmarks.gpu_name']).said.strip() or 'none'}\n")
    with tempfile.TemporaryDirectory() as place:
        for name in chosen.networks:
            if name == LARGE:
                large(chosen, Path(place))
            else:
                small(chosen, Path(place), name)


if __name__ == "__main__":
    main()
