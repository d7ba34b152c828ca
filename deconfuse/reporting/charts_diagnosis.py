"""How layers learn: encoders that are to be compared, in the same axes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, PercentFormatter

from deconfuse.reporting.diagnosis import LEAST, Stack, course
from deconfuse.reporting.svg import FUSION, INK, MUTED, SINGLE, STYLE, svg
from deconfuse.reporting.words import number, short

LOOKS = ((SINGLE, "-", "o"), (FUSION, "--", "D"), (INK, ":", "s"))
"""Colour, line and mark of each encoder in a chart."""
HEALTHY = 1e-3
"""A step's share of the weights that trainings which go well tend to have."""


def chart(stacks: Sequence[Stack], name: str) -> Markup:
    """Six views of one to three encoders: by layer, after the last epoch and (thin) before training, the gradient's norm, the spread and
    the checkerboards of what each gives; by epoch the share of the gradient at the first layer, the steps and the dead units."""
    with rc_context(STYLE | {"font.size": 10, "lines.linewidth": 1.6, "lines.markersize": 3.5}):
        figure = Figure(figsize=(430 / 72, 470 / 72), layout="constrained")
        axes = figure.subplots(3, 2)
        for (ax, title), column in zip(
            ((axes[0, 0], "gradient of each layer"), (axes[1, 0], "spread of what it gives"), (axes[2, 0], "waves of period 2")),
            ("gradient_norm", "spread", "checkerboard"),
            strict=True,
        ):
            by_layer(ax, stacks, column)
            ax.set_title(title, loc="left", fontsize=10.5)
        views = (
            # of logarithms: the mean over seeds is a geometric one
            (axes[0, 1], "gradient, first layer / last", lambda stack: stack.ratio),
            (axes[1, 1], "step / weights, median layer", lambda stack: stack.steps.drop(columns=0)),
            (axes[2, 1], "dead units, mean of layers", lambda stack: stack.dead),
        )
        for ax, title, view in views:
            by_epoch(ax, [view(stack) for stack in stacks], is_log=ax is axes[0, 1])
            ax.set_title(title, loc="left", fontsize=10.5)
        finish(axes, stacks)
        return svg(figure, f"diagnosis {name}", told(stacks))


def by_layer(axes: Axes, stacks: Sequence[Stack], column: str) -> None:
    """A column of the layers in their order: mean over seeds in the last epoch, between its least and most, and before training."""
    for stack, (colour, line, mark) in zip(stacks, LOOKS, strict=False):
        table = layers(stack, column)
        if table.empty:
            continue
        axes.plot(table["place"], table["before"], line, color=colour, linewidth=0.8, alpha=0.6)
        axes.fill_between(table["place"], table["least"], table["most"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(table["place"], table["after"], line, color=colour, marker=mark)
        if column == "checkerboard" and stack is stacks[0]:
            axes.plot(table["place"], table["noise"], color=MUTED, linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def layers(stack: Stack, column: str) -> pd.DataFrame:
    """Layers that make features of features and have the column, by their place among these: before training and after it, means over
    seeds (of norms and spreads geometric ones)."""
    maps = stack.rows[stack.rows["maps"]].sort_values("depth")
    order = {layer: place for place, layer in enumerate(maps["layer"].unique(), 1)}
    maps = maps[maps[column].notna()]
    if column != "checkerboard":
        maps = maps.assign(**{column: np.log(maps[column].clip(lower=LEAST))})
    last = maps.groupby("seed")["epoch"].transform("max")
    table = pd.DataFrame({"before": maps[maps["epoch"] == 0].groupby("layer")[column].mean()})
    for name in ("mean", "min", "max"):
        table[name] = getattr(maps[maps["epoch"] == last].groupby("layer")[column], name)()
    if column != "checkerboard":
        table = table.apply(np.exp)
    table["noise"] = maps.groupby("layer")["checkerboard_noise"].first()
    table = table.rename(columns={"mean": "after", "min": "least", "max": "most"})
    return table.assign(place=[order[layer] for layer in table.index]).sort_values("place").reset_index()


def by_epoch(axes: Axes, tables: Sequence[pd.DataFrame], is_log: bool) -> None:
    """Each encoder's mean over seeds, between its least and most; of logarithms to the base 10 the numbers."""
    for table, (colour, line, mark) in zip(tables, LOOKS, strict=False):
        if table.isna().all(axis=None):
            continue
        low, mean, high = (10**found if is_log else found for found in (table.min(), table.mean(), table.max()))
        axes.fill_between(table.columns, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.plot(table.columns, mean, line, color=colour, marker=mark)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def finish(axes: np.ndarray, stacks: Sequence[Stack]) -> None:
    """Scales, names of the axes, the line of what is healthy, and which line is which."""
    for ax in (axes[0, 0], axes[1, 0], axes[0, 1], axes[1, 1]):
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        # within two decades a tick at each would be one or two
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 3) if high < 100 * low else (1,), numticks=5))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("e-0", "e-").replace("e-", "e\N{MINUS SIGN}")))
    for ax in axes.flat:
        ax.grid(axis="y")
    axes[1, 1].axhline(HEALTHY, color=MUTED, linewidth=1)
    for ax in (axes[2, 0], axes[2, 1]):
        ax.set_ylim(0, max(ax.get_ylim()[1], 0.05))
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes[2, 0].set_xlabel("layer")
    axes[2, 1].set_xlabel("epoch")
    for ax in axes[2]:
        if not ax.lines:
            ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", color=MUTED)
    handles = [axes[0, 0].plot([], [], line, color=colour, marker=mark)[0] for colour, line, mark in LOOKS[: len(stacks)]]
    axes[0, 0].figure.legend(
        handles,
        [short(stack.name, 30) for stack in stacks],
        loc="outside upper left",
        ncols=2,
        frameon=False,
        handlelength=3,
        fontsize=10.5,
    )


def told(stacks: Sequence[Stack]) -> str:
    """The chart in words."""
    said = [f"in {stack.name} {number(10 ** float(course(stack.ratio).mean()))}" for stack in stacks]
    return f"Layers at work. Gradient at the first layer over that at the last, mean over epochs and seeds: {'; '.join(said)}."
