"""What `evaluate` found of why a model answers some test rows as it does, read for the page."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from deconfuse.manifest import places
from deconfuse.reporting import gallery, maps
from deconfuse.reporting.context import Context
from deconfuse.reporting.gallery import Cell
from deconfuse.reporting.results import Result
from deconfuse.reporting.sanity import METHODS
from deconfuse.reporting.words import listed, number, percent, signed

SINGULAR = {"deconvolution": "Deconvolution picture, no explanation"}
"""What a map is called where it is not as its method."""
BUDGET = 200_000
"""Characters of media; the maps of the default data take as many."""


@dataclass(frozen=True)
class Drawn:
    """A map as the page shows it."""

    title: str
    source: str
    words: str
    verdict: str
    """Of the check by random weights; empty for what is no map."""


@dataclass(frozen=True)
class Token:
    """A piece of a text."""

    text: str
    side: str
    """`for`, `against` or neither."""
    strength: int
    """In percent of the strongest."""


@dataclass(frozen=True)
class Part:
    """One modality of an example."""

    cell: Cell
    """What it is made of."""
    drawn: list[Drawn] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    words: str = ""
    """What the tokens say."""
    verdict: str = ""
    """Of the tokens' method."""


@dataclass(frozen=True)
class Example:
    """A test row and what the answer to it rests on."""

    id: str
    actual: str
    predicted: str
    is_right: bool
    about: str
    parts: list[Part]


def examples(context: Context, result: Result, checks: dict[tuple[str, str], str], has_media: bool) -> list[Example]:
    """The rows that `evaluate` has explained of a model.

    Args:
        checks: (modality, method) -> the verdict of the check by random weights.
        has_media: whether pictures, players and clips stand beside the maps.
    """
    told, cells = context.table(result, "explained"), context.table(result, "explanations")
    if told is None or cells is None:
        return []
    pieces, shares = context.table(result, "explained_tokens"), context.table(result, "attended")
    manifest, folders = gallery.read_manifest(context.root / "data/raw/manifest.csv"), places(context.root / "data/raw")
    left, found = BUDGET, []
    for row in told.to_dict("records"):
        identity, parts = row["id"], []
        own = {key: grid(rows) for key, rows in cells[cells["id"] == identity].groupby(["modality", "method"])}
        for name in sorted(result.modalities, key=lambda name: (gallery.ORDER.index(folders[name].kind), name)):
            where, content = folders[name], manifest.at[identity, name]
            if has_media or not content:
                shown = gallery.cell(name, where.kind, content, context.root / where.media, left)
            else:
                shown = Cell(name, where.kind)
            left -= 0 if shown.medium is None else len(shown.medium.source)
            grids = {method: own[name, method] for method in ("input", *METHODS) if (name, method) in own}
            parts.append(part(shown, grids, spelled(pieces, identity, name), checks))
        said = result.predictions.loc[identity]
        is_right = bool(result.right[result.predictions.index.get_loc(identity)])
        found.append(Example(identity, said["actual"], said["predicted"], is_right, about(row, own, shares), parts))
    return found


def grid(rows: pd.DataFrame) -> np.ndarray:
    """The cells of one map."""
    values = np.zeros((rows["row"].max() + 1, rows["column"].max() + 1))
    values[rows["row"], rows["column"]] = rows["value"]
    return values


def spelled(pieces: pd.DataFrame | None, identity: str, modality: str) -> list[str]:
    if pieces is None:
        return []
    return pieces[(pieces["id"] == identity) & (pieces["modality"] == modality)].sort_values("column")["token"].tolist()


def about(row: dict[str, Any], grids: dict[tuple[str, str], np.ndarray], shares: pd.DataFrame | None) -> str:
    """What is explained, what each modality adds to it, and of which modalities a fusion that weighs them has taken."""
    of = f"Evidence for {row['class']}" if row["class"] else "The answer in standard deviations from the mean"
    sums = {name: values.sum() for (name, method), values in grids.items() if method == "integrated_gradients"}
    adds = [f"{name} {signed(value)}" for name, value in sorted(sums.items(), key=lambda one: -one[1])]
    said = f"{of}: {plain(row['answer'])}, for the baseline {plain(row['baseline'])}; by integrated gradients {listed(adds)}."
    if shares is None:
        return said
    own = shares[shares["id"] == row["id"]].sort_values("share", ascending=False, kind="stable")
    weights = [f"{name} {percent(share)}" for name, share in zip(own["modality"], own["share"], strict=True)]
    return f"{said} Attention: {listed(weights)}."


def plain(value: float) -> str:
    return number(value).replace("-", "\N{MINUS SIGN}")


def part(cell: Cell, grids: dict[str, np.ndarray], pieces: list[str], checks: dict[tuple[str, str], str]) -> Part:
    """One modality of an example, drawn."""
    verdicts = {method: checks.get((cell.modality, method), "not shown") for method in METHODS}
    if cell.kind == "text":
        values = grids.get("integrated_gradients", np.zeros((1, 0)))[0][: len(pieces)]
        words = maps.strongest(values, pieces) if len(values) else ""
        return Part(cell, tokens=tokens(values, pieces), words=words, verdict=verdicts["integrated_gradients"])
    # a picture stands there itself
    is_told = "input" in grids and (cell.kind != "image" or cell.medium is None)
    drawn = [Drawn("What the model reads", maps.grey(upright(cell, grids["input"])), "", "")] if is_told else []
    for method, title in METHODS.items():
        if method in grids and grids[method].size > 1:
            source, words = pictured(cell, method, grids)
            drawn.append(Drawn(SINGULAR.get(method, title), source, words, verdicts[method]))
    return Part(cell, drawn=drawn)


def upright(cell: Cell, values: np.ndarray) -> np.ndarray:
    """Low pitches are below, but come first."""
    return values[::-1] if cell.kind == "audio" else values


def pictured(cell: Cell, method: str, grids: dict[str, np.ndarray]) -> tuple[str, str]:
    """A map as a picture and in words."""
    values = grids[method]
    if "input" not in grids:
        steps = [str(step) for step in range(1, values.shape[1] + 1)]
        return maps.bars(values[0]), f"Steps. {maps.strongest(values[0], steps)}"
    words = f"Mostly {maps.areas(values, cell.kind)}."
    if method == "deconvolution":
        return maps.grey(upright(cell, values)), words
    return maps.overlaid(upright(cell, values), upright(cell, grids["input"])), words


def tokens(values: np.ndarray, pieces: list[str]) -> list[Token]:
    sides = {1: "for", -1: "against", 0: ""}
    strengths = np.abs(maps.strength(values)) if len(values) else values
    return [
        Token(text, sides[int(np.sign(value))], round(100 * float(strength)))
        for text, value, strength in zip(pieces, values, strengths, strict=False)
    ]
