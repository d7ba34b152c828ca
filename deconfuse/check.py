"""Check your data without training anything, and say what is in it.

    python -m deconfuse.check

Reads `params.yaml` (sections `data` and `preprocess`), the table and every one of its media; writes nothing. What would stop the
pipeline stops this, too; all else is summed up: rows by split and class, what each modality covers, sizes, durations, problems.
"""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deconfuse.kernel.errors import command
from deconfuse.kernel.params import read as read_params
from deconfuse.kernel.words import plural
from deconfuse.manifest import SPLITS
from deconfuse.obtaining import obtain
from deconfuse.params.data import Data
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.prepare import prepare

UNITS = {"width": "px wide", "height": "px high", "rate": "Hz"}
LONGEST = 30


def main() -> None:
    data, options = read_params("data", Data), read_params("preprocess", Preprocess)
    with TemporaryDirectory() as temporary:
        raw = Path(temporary) / "raw"
        obtain(data, raw)
        summary = prepare(raw, options, None)
    print("\n".join(lines(summary)))


def lines(summary: dict[str, Any]) -> Iterator[str]:
    """The summary as a person reads it."""
    rows = summary["rows"]
    yield f"{plural(sum(rows.values()), 'row')} of {summary['source']['title']}: " + ", ".join(f"{rows[split]} {split}" for split in SPLITS)
    yield f"split: {summary['split']}"
    yield f"task: {summary['task']['name']} ({summary['task']['reason']})"
    yield from classes(summary["classes"])
    for name, sizes in summary["sizes"].items():
        there = sum(summary["coverage"][split][name] for split in SPLITS)
        spans = [" / ".join(f"{value:g}" for value in span) + f" {UNITS.get(fact, fact)}" for fact, span in sizes.items()]
        yield f"{name}: in {plural(there, 'row')} ({there / max(1, sum(rows.values())):.1%}); least / median / most: {', '.join(spans)}"
    yield from (f"note: {note}" for note in summary["notes"])
    yield from (f"warning: {warning['text']}" for warning in summary["warnings"])
    yield f"rows that cannot be used: {summary['rejected']}"
    yield from (f"  {one['rows']} x {one['column'] and one['column'] + ': '}{one['reason']}" for one in summary["reasons"])


def classes(counts: dict[str, dict[str, int]]) -> Iterator[str]:
    """A table of classes and splits; the first of very many."""
    names = list(counts["train"])
    if not names:
        return
    yield f"{'rows by class':<{LONGEST}}" + "".join(f"{split:>8}" for split in SPLITS)
    for name in names[:LONGEST]:
        yield f"  {name[: LONGEST - 2]:<{LONGEST - 2}}" + "".join(f"{counts[split][name]:>8}" for split in SPLITS)
    if len(names) > LONGEST:
        yield f"  ... and {len(names) - LONGEST} more"


if __name__ == "__main__":
    command(main)
