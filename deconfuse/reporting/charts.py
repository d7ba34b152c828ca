"""The page's charts."""

from collections.abc import Mapping

import numpy as np
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from deconfuse.reporting.answer import seeds
from deconfuse.reporting.results import Result
from deconfuse.reporting.svg import COUNT, FUSION, MUTED, RULE, SINGLE, STYLE, svg
from deconfuse.reporting.words import percent, short

# Blue with the cell's share as its opacity reads on white and on black alike.
CELL = (0.12, 0.44, 0.71)
# More class names than this do not fit beside a matrix, nor counts into its cells.
NAMED = 12
# Points of a cloud.
DOTS = 1000


def leaderboard(results: list[Result], rivals: Mapping[str, float]) -> Markup:
    """The main figure of each model as a point on its 95 % interval over test rows, each seed's as a stroke, that of its best baseline
    (by the model's name) as a triangle; best at the top."""
    with rc_context(STYLE):
        height = 36 * len(results) + 40
        figure = Figure(figsize=(420 / 72, height / 72))
        axes = figure.add_axes((0.01, 30 / height, 0.96, 1 - 30 / height))
        measure = results[0].measure
        start, end = scale(results, rivals)
        for row, result in enumerate(results):
            interval_row(axes, row, result, start, end)
            if result.name in rivals:
                unit = 100 if measure.is_share else 1
                axes.plot([unit * rivals[result.name]], [row + 0.21], "^", color=MUTED, markersize=6)
        # room for half a number at both ends of the scale
        room = (end - start) / 25
        axes.set(xlim=(start - room, end + room / 2), ylim=(len(results) - 0.5, -0.75), yticks=[])
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=measure.is_share, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} %" if measure.is_share else f"{value:g}")
        axes.grid(axis="x")
        axes.spines[:].set_visible(False)
        told = "; ".join(
            f"{r.name} {measure.show(r.value)}, {measure.span(*r.bounds)}{seeds(r, r.seeds_half)}"
            + (f", its baseline {measure.show(rivals[r.name])}" if r.name in rivals else "")
            for r in results
        )
        return svg(figure, "leaderboard", f"Test {measure.name} with 95 % intervals: {told}.")


def scale(results: list[Result], rivals: Mapping[str, float]) -> tuple[float, float]:
    """Both ends of the leaderboard's axis: shares in percent, from the tens below the least; errors from 0."""
    shown = [number for result in results for number in (*result.bounds, *result.values)] + list(rivals.values())
    return (10 * np.floor(10 * min(shown)), 101) if results[0].measure.is_share else (0, 1.05 * max(shown))


def interval_row(axes: Axes, row: int, result: Result, start: float, end: float) -> None:
    """One model: its name above its interval."""
    colour, marker = (SINGLE, "o") if result.single else (FUSION, "D")
    unit = 100 if result.measure.is_share else 1
    low, value, high = (unit * number for number in (result.bounds[0], result.value, result.bounds[1]))
    axes.plot([low, high], [row, row], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
    if result.several:
        axes.plot(unit * np.array(result.values), [row] * len(result.seeds), "|", color=colour, markersize=13)
    axes.plot([value], [row], marker, color=colour, markersize=8)
    axes.text(start, row - 0.32, short(result.name, 40), va="center", fontsize=13)
    axes.text(end, row - 0.32, result.measure.bare(result.value), va="center", ha="right", fontsize=13)


def curves(result: Result) -> Markup:
    """The logged measure (above) and the loss (below) of one model by epoch: training dashed, validation solid, the kept epoch marked; all
    of the best seed, other seeds' validation faint."""
    with rc_context(STYLE):
        figure = Figure(figsize=(300 / 72, 270 / 72), layout="constrained")
        above, below = figure.subplots(2, 1, sharex=True)
        colour = SINGLE if result.single else FUSION
        measure = result.measure
        for axes, column, unit in ((above, measure.learnt, 100 if measure.is_share else 1), (below, "loss", 1)):
            for seed in result.seeds:
                curve(axes, result, seed, column, unit, colour)
        above.set(ylabel=f"{measure.learnt_name}{', %' if measure.is_share else ''}")
        above.set_ylim(0, 104 if measure.is_share else None)
        below.set(ylabel="loss, nats" if measure.loss_unit else "loss", xlabel="epoch")
        below.set_ylim(bottom=0)
        below.xaxis.get_major_locator().set_params(integer=True)
        history = result.history[result.history["seed"] == result.best_seed]
        best = history[history["epoch"] == result.kept[result.best_seed]].iloc[0]
        reached = f"validation {measure.learnt_name} {measure.show(best[f'val_{measure.learnt}'])}"
        whose = f"of seed {result.best_seed}, " if result.several else ""
        told = f"{whose}kept epoch {result.kept[result.best_seed]} of {len(history)}, with {reached}"
        lost = f"validation loss {best['val_loss']:.3f}{measure.loss_unit}"
        return svg(figure, f"curves {result.name}", f"Learning curves of {result.name}: {told} and {lost}.")


def curve(axes: Axes, result: Result, seed: int, measure: str, scale: float, colour: str) -> None:
    """One measure of a seed by epoch, of the best one for both splits."""
    history = result.history[result.history["seed"] == seed]
    if seed != result.best_seed:
        axes.plot(history["epoch"], scale * history[f"val_{measure}"], color=colour, linewidth=1, alpha=0.45)
        return
    axes.plot(history["epoch"], scale * history[f"train_{measure}"], "--", color=MUTED, linewidth=1.5)
    axes.plot(history["epoch"], scale * history[f"val_{measure}"], color=colour)
    kept = history[history["epoch"] == result.kept[seed]]
    axes.plot(kept["epoch"], scale * kept[f"val_{measure}"], "o", color=colour, markersize=7)
    axes.grid(axis="y")


def mistakes(result: Result, classes: list[str]) -> Markup | None:
    """What a model took for what; None where a row has several classes."""
    if not result.measure.is_share:
        return scatter(result)
    return confusion(result, classes) if result.measure.key == "accuracy" else None


def scatter(result: Result) -> Markup:
    """Test rows by actual number (across) and predicted number (up); on the line they are equal."""
    actual, predicted = (result.predictions[column].astype(float) for column in ("actual", "predicted"))
    ends = [min(actual.min(), predicted.min()), max(actual.max(), predicted.max())]
    with rc_context(STYLE):
        figure = Figure(figsize=(340 / 72, 320 / 72), layout="constrained")
        axes = figure.subplots()
        axes.plot(ends, ends, color=RULE)
        # of many rows an even choice shows the same cloud
        kept = np.linspace(0, len(actual) - 1, min(len(actual), DOTS)).astype(int)
        axes.plot(actual.iloc[kept], predicted.iloc[kept], ".", color=SINGLE if result.single else FUSION, alpha=0.5)
        axes.set(xlabel="actual", ylabel="predicted")
        best = result.each[result.best_seed]["test"][result.measure.key]
        told = f"from {result.measure.show(ends[0])} to {result.measure.show(ends[1])}; RMSE {result.measure.show(best)}"
        return svg(figure, f"scatter {result.name}", f"Predicted against actual numbers of {result.name}, {told}.")


def confusion(result: Result, classes: list[str]) -> Markup:
    """Test rows by actual class (down) and predicted class (across); a cell is as dark as its share of the actual class."""
    matrix = counts(result, classes)
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    with rc_context(STYLE):
        figure = Figure(figsize=(340 / 72, 320 / 72), layout="constrained")
        axes = figure.subplots()
        # "none" keeps one pixel a class in the file; the browser enlarges it, sharp
        axes.imshow(np.dstack([*(np.full(shares.shape, part) for part in CELL), shares]), interpolation="none")
        axes.set(xlabel="predicted", ylabel="actual")
        name_classes(axes, classes)
        if len(classes) <= NAMED:
            write_counts(axes, matrix, shares)
        share = np.trace(matrix) / max(1, matrix.sum())
        return svg(
            figure,
            f"confusion {result.name}",
            f"Confusion matrix of {result.name}: {percent(share)} lie on the diagonal; {told(matrix, classes)}",
        )


def counts(result: Result, classes: list[str]) -> np.ndarray:
    """int (C, C): test rows by actual and predicted class."""
    place = {name: number for number, name in enumerate(classes)}
    matrix = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(matrix, (result.predictions["actual"].map(place).to_numpy(), result.predictions["predicted"].map(place).to_numpy()), 1)
    return matrix


def name_classes(axes: Axes, classes: list[str]) -> None:
    """Class names along both sides while they fit, else none."""
    if len(classes) > NAMED:
        axes.set(xticks=[], yticks=[])
        return
    names = [short(name, 12) for name in classes]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    # side by side, names have about 30 letters of room in all
    axes.tick_params("x", rotation=90 if max(map(len, names)) > 30 / len(names) else 0)


def write_counts(axes: Axes, matrix: np.ndarray, shares: np.ndarray) -> None:
    """The count into every cell that has one."""
    for actual, predicted in zip(*np.nonzero(matrix), strict=True):
        # from here on white is easier to read on the blue than black: both have a contrast of at least 4.5
        colour = "white" if shares[actual, predicted] > 0.92 else COUNT
        axes.text(predicted, actual, str(matrix[actual, predicted]), ha="center", va="center", fontsize=11, color=colour)


def told(matrix: np.ndarray, classes: list[str], most: int = 3) -> str:
    """The commonest mistakes in words: "3 taken for 8: 12 times; ..."."""
    wrong = matrix - np.diag(np.diag(matrix))
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    cells = [divmod(int(place), len(classes)) for place in order if wrong.flat[place]]
    said = [f"{short(classes[a], 30)} taken for {short(classes[p], 30)}: {wrong[a, p]}" for a, p in cells]
    return "; ".join(said) + "." if said else "no mistakes."
