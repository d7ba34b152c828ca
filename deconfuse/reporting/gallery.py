"""Test rows to look at and listen to: some that every fusion has right, some that not all have."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import places
from deconfuse.media import MediaError
from deconfuse.reporting import media
from deconfuse.reporting.media import Medium
from deconfuse.reporting.results import Result

READERS: dict[str, Callable[[str, Path], Medium]] = {"image": media.image, "video": media.video, "audio": media.audio}
# What is seen comes first, then what is heard and read.
ORDER = [*READERS, "text"]
# Characters of media in one page; with the charts and tables it stays below 8 MB.
BUDGET = 5_500_000
LONGEST_TEXT = 600


@dataclass(frozen=True)
class Cell:
    """One modality of a sample: its `text`, its `medium`, or a `note` why there is neither."""

    modality: str
    kind: str
    text: str = ""
    medium: Medium | None = None
    note: str = ""


@dataclass(frozen=True)
class Said:
    """What one model said of a sample."""

    model: str
    predicted: str
    confidence: float | None
    """None where nothing says how sure it was."""
    right: bool


@dataclass(frozen=True)
class Card:
    """One sample: its true class, what is there of it, and what each model said."""

    id: str
    actual: str
    cells: list[Cell]
    said: list[Said]


def draw(results: list[Result], samples: int, seed: int) -> tuple[list[str], list[str]]:
    """Ids of test rows that every fusion has right, and of rows that some fusion has wrong: half and half where there are enough.

    Rows are drawn at random, not picked. Without a fusion in the line-up, all models count.
    """
    judges = [result for result in results if not result.single] or results
    ids = results[0].predictions.index.to_numpy()
    right = np.all([judge.right for judge in judges], axis=0)
    shuffled = np.random.default_rng(seed).permutation(len(ids))
    good, bad = ([str(ids[place]) for place in shuffled if right[place] == wanted] for wanted in (True, False))
    wrong = min(len(bad), max(samples // 2, samples - len(good)))
    return good[: samples - wrong], bad[:wrong]


def cards(ids: list[list[str]], results: list[Result], root: Path) -> list[list[Card]]:
    """Groups of ids as groups of cards; media beyond the page's budget are left out, with a note."""
    raw = root / "data/raw"
    table = read_manifest(raw / "manifest.csv")
    order = sorted(places(raw).items(), key=lambda item: (ORDER.index(item[1].kind), item[0]))
    spent, groups = 0, []
    for group in ids:
        groups.append([])
        for name in group:
            cells = [cell(modality, where.kind, table.at[name, modality], root / where.media, BUDGET - spent) for modality, where in order]
            spent += sum(len(c.medium.source) for c in cells if c.medium)
            groups[-1].append(Card(name, results[0].predictions.at[name, "actual"], cells, said(name, results)))
    return groups


def read_manifest(path: Path) -> pd.DataFrame:
    """The table of samples by id, every cell as text."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("id")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro download`") from None


def cell(modality: str, kind: str, content: str, folder: Path, left: int) -> Cell:
    """One cell of the manifest as the page shows it; `left` is the number of characters still free for media."""
    if not content:
        return Cell(modality, kind, note="missing in this row")
    if kind == "text":
        return Cell(modality, kind, text=content if len(content) <= LONGEST_TEXT else content[:LONGEST_TEXT] + "…")
    try:
        medium = READERS[kind](content, folder)
    except (MediaError, OSError, ValueError, RuntimeError, ArithmeticError, IndexError) as error:
        # such a cell was refused by preprocess, or its file has gone since: no reason to withhold the report
        return Cell(modality, kind, note=f"cannot be read ({type(error).__name__})")
    if len(medium.source) > left:
        return Cell(modality, kind, note="left out to keep this page small")
    return Cell(modality, kind, medium=medium)


def said(name: str, results: list[Result]) -> list[Said]:
    """What each model said of one row."""
    place = results[0].predictions.index.get_loc(name)
    rows = [(result, result.predictions.iloc[place]) for result in results]
    return [Said(result.name, row["predicted"], row.get("confidence"), bool(result.right[place])) for result, row in rows]
