"""The confusion matrix of a model's test rows, as a table and a picture."""

import csv
import io
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

SHOWN = 30
"""Classes that a picture has room for."""
CELL, LEFT, TOP = 36, 150, 40


def confusion(path: Path, classes: list[str]) -> dict[str, str]:
    """`confusion.csv` (a row an actual class, a column a predicted one, counts) and `confusion.svg` of the predictions in `path`.

    Empty where the labels are none of `classes`: numbers, or several of them at once; without the picture where they are too many.
    """
    with path.open(encoding="utf-8", newline="") as file:
        counts = Counter((row["actual"], row["predicted"]) for row in csv.DictReader(file))
    if not counts or not {name for pair in counts for name in pair} <= set(classes):
        return {}
    rows = [[counts[actual, predicted] for predicted in classes] for actual in classes]
    return {"confusion.csv": table(rows, classes)} | ({"confusion.svg": picture(rows, classes)} if len(classes) <= SHOWN else {})


def table(rows: list[list[int]], classes: list[str]) -> str:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["actual", *classes])
    lines.writerows([name, *row] for name, row in zip(classes, rows, strict=True))
    return text.getvalue()


def picture(rows: list[list[int]], classes: list[str]) -> str:
    """Cells as blue as their share of the actual class, on white: a page of MLflow may be dark."""
    names = [escape(name if len(name) <= 18 else f"{name[:17]}\u2026") for name in classes]
    parts = []
    for i, row in enumerate(rows):
        y = TOP + CELL * i
        parts.append(f'<text x="{LEFT - 8}" y="{y + 23}" text-anchor="end">{names[i]}</text>')
        for j, count in enumerate(row):
            x, share = LEFT + CELL * j, count / max(1, sum(row))
            ink = "#fff" if share > 0.5 else "#000"
            cell = f'<rect x="{x}" y="{y}" width="{CELL}" height="{CELL}" fill="#1f70b5" fill-opacity="{share:.3f}" stroke="#ccc"/>'
            parts.append(f'{cell}<text x="{x + CELL / 2:g}" y="{y + 23}" text-anchor="middle" fill="{ink}">{count or ""}</text>')
    below = TOP + CELL * len(rows)
    for j, name in enumerate(names):
        x = LEFT + CELL * j + 23
        parts.append(f'<text x="{x}" y="{below + 8}" text-anchor="end" transform="rotate(-60 {x} {below + 8})">{name}</text>')
    width, height = LEFT + CELL * len(rows) + 20, below + 150
    title = f'<text x="{LEFT}" y="24" font-weight="bold">actual (rows) and predicted (columns), test</text>'
    style = 'font-family="sans-serif" font-size="13"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{max(width, 460)}" height="{height}" {style}>'
        f'<rect width="100%" height="100%" fill="#fff"/>{title}{"".join(parts)}</svg>\n'
    )
