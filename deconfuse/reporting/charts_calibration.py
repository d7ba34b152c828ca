"""Sureness against being right, and risk against coverage."""

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deconfuse.reporting.calibration import Sure
from deconfuse.reporting.charts_robustness import name
from deconfuse.reporting.svg import FUSION, MUTED, RULE, SINGLE, STYLE, svg
from deconfuse.reporting.words import percent, short

LETTERS = 15
MARKED = 8
"""Markers of a curve."""
SMALLEST, LARGEST = 18, 130
"""Of the markers of bins, square points."""


def reliability(one: Sure) -> Markup:
    """Of one model's bins how often they are right (up) by how sure they are (across), as trained and scaled; below how many decisions
    each holds as trained."""
    colour = SINGLE if one.result.single else FUSION
    trained = one.bins["no"]
    with rc_context(STYLE):
        figure = Figure(figsize=(320 / 72, 330 / 72), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(5, 1))
        above.plot([0, 100], [0, 100], color=RULE, linewidth=1.5)
        sure = 100 * trained["confidence"]
        above.vlines(sure, 100 * trained["accuracy_low"], 100 * trained["accuracy_high"], color=colour, linewidth=3, alpha=0.35)
        points(above, one.bins["yes"], "s", MUTED, "none")
        points(above, trained, "o", colour, colour)
        above.set(xlim=(-2, 102), ylim=(-3, 103), ylabel="right, %")
        below.bar(100 * trained["confidence"], trained["n"], width=4, color=colour, alpha=0.6)
        below.set(xlabel="sure, %", ylabel="decisions", yticks=[0, int(trained["n"].max())])
        above.grid()
        told = "; ".join(
            f"{percent(row['confidence'])} sure, {percent(row['accuracy'])} of {row['n']} right" for row in trained.to_dict("records")
        )
        return svg(figure, f"reliability {one.result.name}", f"Reliability of {one.result.name} as trained: {told}.")


def points(axes: Axes, table: pd.DataFrame, marker: str, edge: str, face: str) -> None:
    """A bin as large as it has decisions, up to a size."""
    sizes = SMALLEST + (LARGEST - SMALLEST) * table["n"] / table["n"].max()
    sure, right = 100 * table["confidence"], 100 * table["accuracy"]
    axes.scatter(sure, right, s=sizes, marker=marker, edgecolors=edge, facecolors=face, linewidths=1.5, zorder=3)


def selection(found: list[Sure]) -> Markup:
    """Of all models the risk by coverage; the best fusion and the best of a modality alone named and with their intervals."""
    fusion = next((one for one in found if not one.result.single), None)
    single = next((one for one in found if one.result.single), None)
    labels, words = [], []
    with rc_context(STYLE):
        figure = Figure(figsize=(380 / 72, 330 / 72))
        axes = figure.add_axes((0.12, 0.15, 0.62, 0.82))
        for one in found:
            if one is not fusion and one is not single:
                axes.plot(100 * one.selection["coverage"], 100 * one.selection["risk"], color=MUTED, linewidth=1, alpha=0.5)
        for one, colour, line in ((single, SINGLE, "o--"), (fusion, FUSION, "D-")):
            if one is None:
                continue
            table = one.selection
            share, risk, low, high = (100 * table[column] for column in ("coverage", "risk", "risk_low", "risk_high"))
            axes.fill_between(share, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(share, risk, line, color=colour, markersize=5, markevery=max(1, len(table) // MARKED))
            labels.append((float(risk.iloc[-1]), short(one.result.name, LETTERS), colour))
            places = np.linspace(0, len(table) - 1, 5).astype(int)
            points = [f"{percent(row['coverage'])}: {percent(row['risk'])}" for row in table.iloc[places].to_dict("records")]
            words.append(f"{one.result.name} {', '.join(points)}")
        axes.set(xlabel="answered, the surest first, %", ylabel="of these wrong, %", xlim=(0, 100))
        axes.set_ylim(bottom=0)
        axes.grid()
        name(axes, labels)
        return svg(figure, "risk coverage", f"Share that is wrong by the share of rows answered. {'; '.join(words)}.")
