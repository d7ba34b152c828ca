"""How robust the models are: what the analyses found, and the answer in words."""

from dataclasses import dataclass, replace
from math import hypot

from deconfuse.kernel.lookup import part
from deconfuse.reporting.context import Context
from deconfuse.reporting.measures import Measure
from deconfuse.reporting.over_seeds import Row, over_seeds
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import enumerated

TOGETHER = "all at once"
BASELINES = ("late", "concat")
"""Fusions that others are held against, the first that is in the line-up."""
Kind = tuple[str, str]
"""Modality and corruption."""


@dataclass(frozen=True)
class Robust:
    """Of one model its curves and what sums them up, means over seeds."""

    result: Result
    curves: dict[Kind, list[Row]]
    """By kind a row a level."""
    summary: dict[Kind, Row]
    effective: tuple[float, float, float] | None = None
    """Effective robustness with everything getting worse, and its interval; None of the baseline, and of what cannot be held against it."""

    @property
    def together(self) -> Row | None:
        """The summary where all modalities get worse; None of a single modality."""
        return self.summary.get((TOGETHER, TOGETHER))

    @property
    def weakest(self) -> Row:
        """The summary of the modality and corruption by which most is lost."""
        return max((row for kind, row in self.summary.items() if kind[0] != TOGETHER), key=lambda row: row["lost"])


def robust(context: Context) -> tuple[list[Robust], Robust | None]:
    """Of all models that were asked, in the order of the results; and the baseline of effective robustness."""
    found = [one for result in context.results if (one := read(context, result)).summary]
    baseline = next((one for fusion in BASELINES for one in found if one.result.fusion == fusion), None)
    if baseline is None:
        return found, None
    return [replace(one, effective=effective(one, baseline)) for one in found], baseline


def read(context: Context, result: Result) -> Robust:
    """One model's, empty where it was not asked."""
    curves: dict[Kind, list[Row]] = {}
    table = context.table(result, "robustness")
    points = None if table is None else table.drop(columns="noise_seed")
    for row in over_seeds(points, ["modality", "corruption", "level"], "figure"):
        curves.setdefault((row["modality"], row["corruption"]), []).append(row)
    rows = over_seeds(context.table(result, "robustness_summary"), ["modality", "corruption"], "lost")
    return Robust(result, curves, {(row["modality"], row["corruption"]): row for row in rows})


def effective(one: Robust, baseline: Robust) -> tuple[float, float, float] | None:
    """What a fusion holds beyond what its clean figure explains: the mean over the levels of its figure less that of the baseline, moved to
    the same clean figure (Taori et al. 2020; Liang et al. 2021).

    The interval takes both models' rows as drawn apart, which makes it rather too wide.
    """
    mine, other = one.together, baseline.together
    if mine is None or other is None or mine is other:
        return None
    if one.result.modalities != baseline.result.modalities or mine["n"] != other["n"]:
        return None
    value = other["lost"] - mine["lost"]
    below = hypot(other["lost"] - other["lost_low"], mine["lost_high"] - mine["lost"])
    above = hypot(other["lost_high"] - other["lost"], mine["lost"] - mine["lost_low"])
    return value, value - below, value + above


def sentences(found: list[Robust], baseline: Robust | None, measure: Measure) -> list[str]:
    """The answer, of the best model that reads several modalities."""
    best = next((one for one in found if one.together is not None), found[0])
    said = [] if best.together is None else [falls(best, best.together, measure)]
    said.append(suffers(best, measure))
    compared = {one.result.name: one.effective for one in found if one.effective is not None}
    if baseline is not None and compared:
        said.append(held(compared, baseline, measure))
    return said


def falls(best: Robust, together: Row, measure: Measure) -> str:
    """How far down it goes where all get worse."""
    worst = best.curves[TOGETHER, TOGETHER][-1]
    means = f", means over {len(best.result.seeds)} seeds" if best.result.several else ""
    figure = f"{measure.show(worst['figure'])} ({measure.span(worst['low'], worst['high'])})"
    relative = f"{measure.show(together['relative_robustness'])} ({measure.span(together['low'], together['high'])})"
    return (
        f"Where all modalities get worse at once, {best.result.name} goes from {measure.show(together['clean'])} to {figure}, and has "
        f"{relative} in the mean over all levels (95 % intervals over {together['n']:,.0f} test rows{means})."
    )


def suffers(best: Robust, measure: Measure) -> str:
    """What it is worst hit by."""
    row = best.weakest
    what = f"{spelt(row['corruption'])} in {row['modality']}"
    who = best.result.name
    # what is lost is positive where it gets worse, of an error too
    if row["lost_low"] <= 0:
        ends = measure.gains(row["lost_low"], row["lost_high"])
        return (
            f"That {who} loses anything where one modality alone gets worse is not shown: by {what}, {measure.gain(row['lost'])} ({ends})."
        )
    lost = f"{measure.amount(row['lost'])} in the mean over the levels ({measure.span(row['lost_low'], row['lost_high'])})"
    return f"Of one modality alone, {what} hits {who} most: it loses {lost}."


def held(compared: dict[str, tuple[float, float, float]], baseline: Robust, measure: Measure) -> str:
    """Who is more robust than the baseline, and who less."""
    shown = {name: one for name, one in compared.items() if one[1] > 0 or one[2] < 0}
    than = f"than its clean {measure.name} explains, against {baseline.result.name} (effective robustness)"
    if not shown:
        return f"That any fusion holds more or less {than} is not shown."
    parts = [f"{name} {measure.gain(value)} ({measure.gains(low, high)})" for name, (value, low, high) in shown.items()]
    return f"More or less {than}, holds: {enumerated(parts)}."


def spelt(corruption: str) -> str:
    """A corruption's name as words: "image_noise" as "image noise"."""
    return corruption.replace("_", " ")


def told(found: list[Robust]) -> dict[str, str]:
    """Of each corruption that was met what its levels mean."""
    met = sorted({corruption for one in found for _, corruption in one.summary} - {TOGETHER})
    return {spelt(name): part("corruptions", name).told for name in met}
