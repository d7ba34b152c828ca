"""What models cost against what they reach."""

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from deconfuse.reporting.results import Result
from deconfuse.reporting.svg import FUSION, SINGLE, STYLE, svg
from deconfuse.reporting.words import scaled, short


def against_flops(results: list[Result], flops: list[float]) -> Markup:
    """The main figure of each model with its interval over the operations of an answer."""
    measure = results[0].measure
    unit = 100 if measure.is_share else 1
    with rc_context(STYLE):
        figure = Figure(figsize=(560 / 72, 300 / 72), layout="constrained")
        axes = figure.subplots()
        for result, cost in zip(results, flops, strict=True):
            colour, marker = (SINGLE, "o") if result.single else (FUSION, "D")
            low, high = (unit * bound for bound in result.bounds)
            axes.plot([cost, cost], [low, high], color=colour, linewidth=3, alpha=0.45)
            axes.plot([cost], [unit * result.value], marker, color=colour, markersize=8)
            beside = (9, 0) if cost <= (min(flops) * max(flops)) ** 0.5 else (-9, 0)
            axes.annotate(
                short(result.name, 24),
                (cost, unit * result.value),
                beside,
                textcoords="offset points",
                va="center",
                fontsize=11,
                ha="left" if beside[0] > 0 else "right",
            )
        axes.set_xscale("log")
        axes.set(xlabel="FLOP an answer", ylabel=f"test {measure.name}{', %' if measure.is_share else ''}")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: scaled(value)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.margins(x=0.08)
        axes.grid(axis="y")
        told = "; ".join(f"{r.name} {scaled(cost)}FLOP, {measure.show(r.value)}" for r, cost in zip(results, flops, strict=True))
        return svg(figure, "costs", f"Test {measure.name} against operations of an answer: {told}.")
