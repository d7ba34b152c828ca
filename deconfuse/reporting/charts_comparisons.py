"""Differences as a forest: each a point on its interval, and the line of no difference."""

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deconfuse.kernel.words import plural
from deconfuse.reporting.answer import difference
from deconfuse.reporting.comparisons import Comparison
from deconfuse.reporting.measures import Measure
from deconfuse.reporting.svg import FUSION, INK, MUTED, RULE, SINGLE, STYLE, svg
from deconfuse.reporting.words import short

ROWS = 20
"""More do not fit; the table beside has all."""
LETTERS = 40


def forest(found: list[Comparison], name: str) -> Markup:
    """Each difference with its 95 % interval over test rows (thick) and over seeds (thin); filled where it is shown."""
    measure, left_out = found[0].measure, len(found) - ROWS
    found = found[:ROWS]
    unit = 100 if measure.is_share else 1
    with rc_context(STYLE):
        height = 36 * len(found) + 62
        figure = Figure(figsize=(420 / 72, height / 72))
        axes = figure.add_axes((0.03, 50 / height, 0.92, 1 - 50 / height))
        ends = [0.0, *(unit * end for one in found for end in reach(one))]
        low, high = min(ends), max(ends)
        room = (high - low) / 20 or 1.0
        axes.set(xlim=(low - room, high + room), ylim=(len(found) - 0.5, -0.75), yticks=[])
        for row, one in enumerate(found):
            interval_row(axes, row, one, unit)
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(lambda value, _: ticked(value))
        axes.set_xlabel(direction(measure), fontsize=12)
        axes.grid(axis="x")
        axes.spines[:].set_visible(False)
        told = "; ".join(f"{one.model.name} against {one.opponent}: {difference(one)}, {one.verdict}" for one in found)
        more = f" {plural(left_out, 'more')} in the table." if left_out > 0 else ""
        return svg(figure, name, f"Differences of test {measure.name}: {told}.{more}")


def reach(one: Comparison) -> list[float]:
    """How far a row's intervals reach."""
    half = one.found.half or 0.0
    return [one.found.low, one.found.high, one.found.value - half, one.found.value + half]


def interval_row(axes: Axes, row: int, one: Comparison, unit: float) -> None:
    """One comparison: its name and verdict above its intervals."""
    found, is_shown = one.found, one.verdict != "not shown"
    # a line through all rows would cross their names
    axes.plot([0, 0], [row - 0.16, row + 0.3], color=INK, linewidth=1)
    colour, marker = (SINGLE, "o") if one.model.single else (FUSION, "D")
    axes.plot([unit * found.low, unit * found.high], [row, row], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
    if found.half is not None:
        ends = [unit * (found.value - found.half), unit * (found.value + found.half)]
        axes.plot(ends, [row + 0.2] * 2, color=MUTED, linewidth=1, marker="|", markersize=6)
    axes.plot([unit * found.value], [row], marker, color=colour, markersize=8, markerfacecolor=colour if is_shown else RULE)
    start, end = axes.get_xlim()
    axes.text(start, row - 0.32, label(one), va="center", fontsize=12)
    said = f"{one.measure.gain(found.value)} {one.verdict}"
    axes.text(end, row - 0.32, said, va="center", ha="right", fontsize=12, fontweight="bold" if is_shown else "normal")


def label(one: Comparison) -> str:
    """Both names, each shortened where they do not fit."""
    whole = f"{one.model.name} against {one.opponent}"
    if len(whole) <= LETTERS:
        return short(whole, LETTERS)
    return f"{ends(one.model.name, LETTERS // 2)} against {ends(one.opponent, LETTERS // 2 - len(' against '))}"


def ends(name: str, most: int) -> str:
    """A name without its middle where it is too long: what it ends with may tell it from others."""
    line = short(name, len(name))
    return line if len(line) <= most else f"{line[: most // 2]}…{line[-(most // 2 - 1) :]}"


def ticked(value: float) -> str:
    return f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"


def direction(measure: Measure) -> str:
    """What the axis shows, and which end of it is good."""
    unit = ", points" if measure.is_share else ""
    good = "left: the first is better" if measure.less_is_better else "right: the first is better"
    return f"difference of {measure.name}{unit} ({good})"
