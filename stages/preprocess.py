"""Decode every picture, sound, clip and text into arrays of one shape.

    python -m stages.preprocess

Reads `data/raw/` and the media it points to; params `preprocess`. Writes `data/prepared/`: a folder a split and modality with
`values.npy` (image uint8 N,C,H,W; video uint8 N,T,C,H,W; audio int16 N,samples) or `values.jsonl` (text) and `length.npy` (valid
frames or samples); `<split>/rows/` (labels, ids, which modality is present); `schema.json` (shapes; the task, and the train
split's classes and counts, or mean and deviation; nothing of the test split); `summary.json`; `rejected.csv`.
"""

from pathlib import Path

from deconfuse.kernel.errors import command
from deconfuse.kernel.files import whole
from deconfuse.kernel.params import read as read_params
from deconfuse.kernel.words import plural
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.prepare import prepare

RAW, PREPARED = Path("data/raw"), Path("data/prepared")


def main() -> None:
    options = read_params("preprocess", Preprocess)
    with whole(PREPARED) as folder:
        folder.mkdir()
        summary = prepare(RAW, options, folder)
    print(f"task: {summary['task']['name']} ({summary['task']['reason']})")
    for warning in summary["warnings"]:
        print(f"warning: {warning['text']}")
    if summary["rejected"]:
        print(f"{plural(summary['rejected'], 'row')} cannot be used: see {PREPARED}/rejected.csv")


if __name__ == "__main__":
    command(main)
