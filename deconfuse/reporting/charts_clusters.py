"""The embedding map."""

import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from deconfuse.reporting.results import Result
from deconfuse.reporting.svg import FUSION, INK, STYLE, svg
from deconfuse.reporting.words import short

DOTS = 500
"""Points drawn; more would hide each other."""
LETTERS = 3


def plane(seen: pd.DataFrame, result: Result, classes: list[str]) -> Markup:
    """Each test row as the beginning of its class's name; what is predicted wrongly stands in a ring."""
    kept = seen.iloc[:: -(-len(seen) // DOTS)]
    names = letters(classes)
    with rc_context(STYLE):
        figure = Figure(figsize=(560 / 72, 420 / 72))
        axes = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        for row in kept.itertuples():
            axes.text(row.x, row.y, names[row.actual], ha="center", va="center", fontsize=9, color=INK, clip_on=True)
        wrong = kept[kept["actual"] != kept["predicted"]]
        axes.plot(wrong["x"], wrong["y"], "o", markersize=13, markerfacecolor="none", markeredgecolor=FUSION, markeredgewidth=1.4)
        room = 0.04 * (kept[["x", "y"]].max() - kept[["x", "y"]].min()).to_numpy()
        axes.set(xlim=(kept["x"].min() - room[0], kept["x"].max() + room[0]), ylim=(kept["y"].min() - room[1], kept["y"].max() + room[1]))
        axes.set_axis_off()
        said = f"{len(kept)} test rows on a plane by the fused embedding of {result.name}; {len(wrong)} of them are predicted wrongly."
        return svg(figure, "embedding map", said)


def letters(classes: list[str]) -> dict[str, str]:
    """As few first letters of each class as tell them apart, at most LETTERS; else its place."""
    for number in range(1, LETTERS + 1):
        found = {name: short(name, 80)[:number] for name in classes}
        if len(set(found.values())) == len(classes):
            return found
    return {name: str(place) for place, name in enumerate(classes)}
