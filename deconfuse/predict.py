"""Answer every row of a table with a trained model.

    python -m deconfuse.predict TABLE [--model NAME] [--output predictions.csv]

TABLE is of any form that `data.source` takes (.csv, .tsv, .parquet, .jsonl, a folder); it needs no labels. The model is the registry's
champion, or with `--model` one of `models:` in params.yaml. Rows that cannot be used get no label, and the reason.
"""

import argparse
from pathlib import Path

from deconfuse.kernel.errors import UserError, command
from deconfuse.serving.fetching import fetch, run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deconfuse.predict", description="Answer every row of a table.")
    parser.add_argument("table", type=Path, help="a table or folder, of any form that `data.source` takes")
    parser.add_argument("--model", help="one of `models:` in params.yaml; default: the registry's champion")
    parser.add_argument("--output", type=Path, default=Path("predictions.csv"), help="default: predictions.csv")
    arguments = parser.parse_args()
    if not arguments.table.exists():
        raise UserError(f"there is no {arguments.table}")
    folder = fetch(arguments.model)
    run("deconfuse.serving.batch", str(folder), str(arguments.table), "--output", str(arguments.output))


if __name__ == "__main__":
    command(main)
