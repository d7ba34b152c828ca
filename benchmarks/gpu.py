"""A GPU at work: the engine with the whole split in its memory and its step as a CUDA graph, against a DataLoader loop.

    python -m benchmarks.gpu [--rounds 5] [--scale 1.0] [--mirror FOLDER]

Two tables. A small conv-deconv network on 32 x 32 pictures, batches of 512, shifted and mirrored: samples a second of the engine (recorded
as a graph, and step by step), of the loop by hand and of the DataLoader with eight workers. Then the printed network, 32 x 32 to 256 x 256,
pooled, in bf16: FLOP/s as a share of what a large matrix product reaches in the same run. Needs a GPU; `--anyway` runs it on a CPU, without
the graph, to see that it runs.
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
from benchmarks.workloads import ADAM, WORKLOADS, Workload, colours, pictures, printed

SMALL, LARGE = "conv_deconv", "printed_pooled"
GRAPH = "engine, CUDA graph"


def variant(place: Path, name: str, made: Any, workload: Workload, batch: int, epochs: int, **settings: Any) -> Path:
    folder = place / name
    wanted = params(workload, epochs, 1)
    wanted["train"] |= {"batch_size": batch, **settings}
    project.write(folder, *made, wanted)
    return folder


def small(chosen: argparse.Namespace, place: Path) -> None:
    """Print the first table."""
    samples, batch = max(256, round(48_000 * chosen.scale)), max(16, round(512 * min(1, 10 * chosen.scale)))
    made = pictures(samples, max(64, samples // 8), chosen.mirror)
    workload = WORKLOADS[SMALL]
    make = partial(variant, place, made=made, workload=workload, batch=batch, epochs=6)
    plain = make("plain")
    contenders = {
        GRAPH: partial(engine, make("graph", cuda_graph=not chosen.anyway), 1),
        "engine, step by step": partial(engine, plain, 1),
        "bare layers, by hand": partial(rival, 1, "loop", plain, SMALL),
        "DataLoader": partial(rival, 1, "loader", plain, SMALL),
    }
    found = turns(contenders, chosen.rounds)
    taken = {name: [epoch(one) for one in results] for name, results in found.items()}
    rows = []
    for name, seconds in taken.items():
        memory = f"{median(one['mebibytes'] for one in found[name]):.0f}"
        accuracy = f"{median(one['accuracy'][-1] for one in found[name]):.3f}"
        rows.append([name, spread(samples / one for one in seconds), spread(ratios(seconds, taken["DataLoader"])), accuracy, memory])
    table([f"{samples} pictures, batches of {batch}", "samples/s", "x DataLoader", "val accuracy", "MiB of the host"], rows)


def large(chosen: argparse.Namespace, place: Path) -> None:
    """Print the second table."""
    samples, batch = max(4, round(3200 * chosen.scale)), max(2, round(64 * min(1, 10 * chosen.scale)))
    workload = Workload(colours, "image", printed([32, 64, 128], grid=1), ADAM, samples, 4, 1.0)
    folder = variant(place, LARGE, colours(samples, 2, None), workload, batch, 4, precision="bf16", cuda_graph=not chosen.anyway)
    cost = run(["benchmarks.rivals.networks", LARGE]).answer()
    ceilings = partial(run, ["benchmarks.ceilings", "--json", "--scale", str(min(1.0, chosen.scale))], 1)
    found = turns({"engine": partial(engine, folder, 1), "ceilings": ceilings}, chosen.rounds)
    rates = [samples * cost / epoch(one) for one in found["engine"]]
    peaks = [one.answer() for one in found["ceilings"]]
    shares = [f"{kind} bf16" for kind in ("matmul", "conv")]
    cells = [spread(100 * rate / peak[kind] for rate, peak in zip(rates, peaks, strict=True)) + " %" for kind in shares]
    columns = [f"printed network, pooled, bf16; batches of {batch}", "samples/s", "TFLOP/s", *(f"of {kind}" for kind in shares)]
    speeds = [spread(rate / cost for rate in rates), spread(rate / 1e12 for rate in rates)]
    table(columns, [[f"{samples} pictures", *speeds, *cells]])


def main() -> None:
    parser = arguments(__doc__ or "", 5)
    parser.add_argument("--mirror", type=Path, help="a folder with public sets; without it pictures are made up")
    parser.add_argument("--anyway", action="store_true", help="run on a CPU, to see that it runs")
    chosen = parser.parse_args()
    if not chosen.anyway and not run(["benchmarks.gpu_name"]).said.strip():
        raise SystemExit("error: torch finds no GPU here; `--anyway` runs it on the CPU, to see that it runs")
    head(chosen)
    print(f"GPU: {run(['benchmarks.gpu_name']).said.strip() or 'none'}\n")
    with tempfile.TemporaryDirectory() as place:
        small(chosen, Path(place))
        large(chosen, Path(place))


if __name__ == "__main__":
    main()
