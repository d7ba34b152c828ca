"""Check all params, then bring the data set into one common form.

    python -m stages.download

Reads `params.yaml` as a whole: this stage runs before all others whenever a param changes, so that a wrong one stops the
pipeline before anything is lost. Writes `data/raw/`: `manifest.csv` (line, id, split, label, a column a modality, the table's other
columns), `rejected.csv` (rows that can be none), `source.json` (name, licence, modalities, where media lie) and the media that the
source fetches or makes; a user's own media are read where they are.
"""

from pathlib import Path

from deconfuse.kernel.errors import command
from deconfuse.kernel.params import read as read_params
from deconfuse.manifest import stream
from deconfuse.obtaining import kinds, obtain
from deconfuse.params.data import Data
from deconfuse.validation import validate, validate_task

RAW = Path("data/raw")


def main() -> None:
    data = read_params("data", Data)
    params = validate(kinds(data))
    # DVC keeps this folder between runs: what it holds may already be what is wanted
    obtain(data, RAW)
    validate_task(params, [row.label for row in stream(RAW / "manifest.csv", [])])


if __name__ == "__main__":
    command(main)
