"""The chart of what share each modality gets."""

import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from deconfuse.reporting.svg import FUSION, INK, STYLE, svg
from deconfuse.reporting.words import percent, short


def attention(shares: pd.DataFrame, name: str) -> Markup:
    """The mean share of each modality as a bar, and as a hollow diamond that of the same fusion with random weights."""
    with rc_context(STYLE):
        height = 40 * len(shares) + 40
        figure = Figure(figsize=(420 / 72, height / 72))
        axes = figure.add_axes((0.03, 30 / height, 0.92, 1 - 30 / height))
        rows = shares.sort_values("share", ascending=False, kind="stable").to_dict("records")
        for place, row in enumerate(rows):
            axes.barh(place, 100 * row["share"], height=0.34, color=FUSION)
            axes.plot([100 * row["low"], 100 * row["high"]], [place] * 2, color=INK, linewidth=2)
            axes.plot([100 * row["untrained"]], [place], "D", color=INK, markersize=8, markerfacecolor="none", markeredgewidth=2)
            axes.text(0, place - 0.38, short(row["modality"], 30), va="center", fontsize=13)
            axes.text(
                100, place - 0.38, f"{percent(row['share'])}, untrained {percent(row['untrained'])}", va="center", ha="right", fontsize=13
            )
        axes.set(xlim=(0, 100), ylim=(len(rows) - 0.6, -0.7), yticks=[])
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %")
        axes.grid(axis="x")
        axes.spines[:].set_visible(False)
        told = "; ".join(f"{row['modality']} {percent(row['share'])}, with random weights {percent(row['untrained'])}" for row in rows)
        return svg(figure, f"attention {name}", f"Mean share of each modality in the attention of {name}: {told}.")
