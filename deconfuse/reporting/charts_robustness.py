"""Charts of the main figure against how bad the data is."""

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deconfuse.reporting.measures import Measure
from deconfuse.reporting.robustness import TOGETHER, Kind, Robust, spelt
from deconfuse.reporting.svg import FUSION, SINGLE, STYLE, svg
from deconfuse.reporting.words import short

LINES = ((FUSION, "-", "D", "◆"), (FUSION, "--", "s", "■"), (FUSION, ":", "^", "▲"))
"""Of the best fusions in a panel, in order: colour, dashes, marker, and that as a letter."""
ALONE = (SINGLE, "-", "o", "●")
"""Of the best model of the modality alone."""
LETTERS = 15
APART = 0.075
"""Least distance between two labels, in heights of the panel."""


def panels(found: list[Robust], measure: Measure) -> dict[Kind, Markup]:
    """By modality and corruption the curves of the best models, all at once first."""
    kinds = {kind for one in found for kind in one.summary}
    return {kind: panel(kind, found, measure) for kind in sorted(kinds, key=lambda kind: (kind[0] != TOGETHER, kind))}


def panel(kind: Kind, found: list[Robust], measure: Measure) -> Markup:
    """The main figure of the best models by level, with 95 % intervals."""
    having = [one for one in found if kind in one.curves]
    fused = zip([one for one in having if not one.result.single], LINES, strict=False)
    alone = zip([one for one in having if one.result.single], [ALONE], strict=False)
    unit = 100 if measure.is_share else 1
    labels, words = [], []
    with rc_context(STYLE):
        figure = Figure(figsize=(320 / 72, 210 / 72))
        axes = figure.add_axes((0.11, 0.2, 0.6, 0.76))
        for place, (one, (colour, dashes, marker, letter)) in enumerate([*fused, *alone]):
            curve = one.curves[kind]
            # side by side, so that the intervals of several models can be told apart
            level = [row["level"] + 0.012 * (place - 1) for row in curve]
            axes.plot(level, [unit * row["figure"] for row in curve], dashes, marker=marker, markersize=5, color=colour)
            low, high = ([unit * row[end] for row in curve] for end in ("low", "high"))
            axes.vlines(level, low, high, color=colour, alpha=0.4, linewidth=2)
            labels.append((unit * curve[-1]["figure"], f"{letter} {short(one.result.name, LETTERS)}", colour))
            points = [f"{row['level']:g}: {measure.show(row['figure'])}" for row in curve]
            words.append(f"{one.result.name} {', '.join(points)}")
        axes.set(xlabel="level", ylim=(0, 104 if measure.is_share else None), xlim=(-0.05, 1.05))
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.grid(axis="y")
        name(axes, labels)
        what = "all modalities getting worse" if kind[0] == TOGETHER else f"{spelt(kind[1])} in {kind[0]}"
        return svg(figure, f"robustness {kind}", f"Test {measure.name} by the level of {what}. {'; '.join(words)}.")


def name(axes: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Names of the lines at their right ends, moved apart where they would meet."""
    low, high = axes.get_ylim()
    at = -1.0
    for value, text, colour in sorted(labels):
        at = max((value - low) / (high - low), at + APART)
        axes.text(1.03, at, text, transform=axes.transAxes, va="center", fontsize=10.5, color=colour)
