"""Charts of what each modality does in a fusion."""

from itertools import combinations

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deconfuse.reporting.measures import Measure
from deconfuse.reporting.modalities import Findings
from deconfuse.reporting.over_seeds import Row
from deconfuse.reporting.svg import FUSION, INK, MUTED, RULE, SINGLE, STYLE, svg
from deconfuse.reporting.words import short

WIDTH = 430
ROW = 21
LETTERS = 16
MOST = 32
"""Subsets drawn; of more modalities only those of none, of one, of all but one and of all."""
LOOKS = {0: (MUTED, "s"), 1: (SINGLE, "o")}
"""Colour and marker by the number of modalities shown."""
SIGNS = {"value": ("D", FUSION), "all rows": ("o", SINGLE), "each class": ("^", MUTED)}
"""Marker and colour of a Shapley value, and of perceptual scores by the rows among which a modality is moved."""


def subsets(found: Findings, measure: Measure) -> Markup:
    """The main figure on each subset of the modalities, with its 95 % interval: full dots in a row are the modalities shown."""
    rows, names = drawn(found, measure), found.result.modalities
    # names stand upright above their dots
    above = 12 + 6.5 * max(len(short(name, LETTERS)) for name in names)
    height = ROW * len(rows) + above + 34
    share = min(0.45, 0.055 * len(names))
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        bottom, tall = 34 / height, 1 - (34 + above) / height
        dots, axes = figure.add_axes((0.01, bottom, share, tall)), figure.add_axes((share + 0.05, bottom, 0.82 - share, tall))
        for place, row in enumerate(rows):
            membership(dots, place, [name in members(row, names) for name in names])
            colour, marker = LOOKS.get(row["shown"], (FUSION, "D"))
            interval(axes, place, row["figure"], (row["low"], row["high"]), measure, colour, marker)
            axes.text(1.03, place, measure.bare(row["figure"]), transform=axes.get_yaxis_transform(), va="center", fontsize=11)
        bare(dots, len(rows) - 0.4)
        dots.set(xlim=(-0.6, len(names) - 0.4), xticks=range(len(names)))
        dots.xaxis.tick_top()
        dots.set_xticklabels([short(name, LETTERS) for name in names], rotation=90, color=INK)
        bare(axes, len(rows) - 0.4)
        axes.set_xlim(left=0)
        scale(axes, f"{measure.name}{', %' if measure.is_share else ''}")
        told = "; ".join(
            f"{row['subset'] or 'none'} {measure.show(row['figure'])}, {measure.span(row['low'], row['high'])}" for row in rows
        )
        return svg(figure, f"subsets {found.result.name}", f"Test {measure.name} of {found.result.name} by the modalities shown: {told}.")


def drawn(found: Findings, measure: Measure) -> list[Row]:
    """The subsets of the chart: the largest first, of a size the best first."""
    number = len(found.result.modalities)
    few = [row for row in found.subsets if row["shown"] in (0, 1, number - 1, number)]
    rows = found.subsets if len(found.subsets) <= MOST else few
    return sorted(rows, key=lambda row: (-row["shown"], measure.order(row["figure"])))


def members(row: Row, names: list[str]) -> tuple[str, ...]:
    """The modalities of a subset; a name may have a "+" itself."""
    return next(some for some in combinations(names, int(row["shown"])) if "+".join(some) == row["subset"])


def membership(axes: Axes, place: int, shown: list[bool]) -> None:
    """A row of dots: full where a modality is shown."""
    for column, is_shown in enumerate(shown):
        axes.plot([column], [place], "o", markersize=7, color=INK if is_shown else "none", markeredgecolor=INK if is_shown else RULE)


def contributions(found: Findings, measure: Measure) -> Markup:
    """Of each modality what it adds, and what is lost where it is another row's, with 95 % intervals."""
    names = [row["modality"] for row in found.shapley] or found.result.modalities
    height = 62 * len(names) + 40
    told = []
    with rc_context(STYLE):
        figure = Figure(figsize=(WIDTH / 72, height / 72))
        axes = figure.add_axes((0.02, 34 / height, 0.95, 1 - 40 / height))
        for place, name in enumerate(names):
            axes.text(0, place - 0.34, short(name, 30), transform=axes.get_yaxis_transform(), va="center", fontsize=13)
            axes.plot([0, 0], [place - 0.2, place + 0.42], color=INK, linewidth=1)
            for step, (sign, (value, low, high)) in enumerate(signs(found, name).items()):
                marker, colour = SIGNS[sign]
                interval(axes, place - 0.1 + 0.2 * step, value, (low, high), measure, colour, marker)
                what = "Shapley value" if sign == "value" else f"perceptual score within {sign}"
                told.append(f"{name}: {what} {measure.gain(value)}, {measure.gains(low, high)}")
        bare(axes, len(names) - 0.5)
        scale(axes, "points" if measure.is_share else f"{measure.name} saved")
        return svg(figure, f"contributions {found.result.name}", f"What each modality adds in {found.result.name}. {'; '.join(told)}.")


def signs(found: Findings, modality: str) -> dict[str, tuple[float, float, float]]:
    """By the keys of SIGNS what was measured of a modality: value, low, high."""
    rows = [("value", row["value"], row) for row in found.shapley] + [(row["permuted"], row["drop"], row) for row in found.perceptual]
    return {sign: (value, row["low"], row["high"]) for sign, value, row in rows if row["modality"] == modality}


def interval(axes: Axes, at: float, value: float, ends: tuple[float, float], measure: Measure, colour: str, marker: str) -> None:
    """A value on its interval."""
    unit = 100 if measure.is_share else 1
    axes.plot([unit * ends[0], unit * ends[1]], [at, at], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
    axes.plot([unit * value], [at], marker, color=colour, markersize=7)


def bare(axes: Axes, bottom: float) -> None:
    """Rows from above to below, without frame and numbers."""
    axes.set(ylim=(bottom, -0.6), yticks=[])
    axes.spines[:].set_visible(False)


def scale(axes: Axes, label: str) -> None:
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.grid(axis="x")
