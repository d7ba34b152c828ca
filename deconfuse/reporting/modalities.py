"""What each modality does in a fusion: what the analyses found, and the answer in words."""

from dataclasses import dataclass

from deconfuse.reporting.context import Context
from deconfuse.reporting.measures import Measure
from deconfuse.reporting.over_seeds import Row, over_seeds
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import enumerated

WHAT = {
    "subsets": (["subset"], "figure"),
    "shapley": (["modality"], "value"),
    "perceptual": (["modality", "permuted"], "drop"),
    "emap": (["method"], "gap"),
}
"""Table -> the columns that name a row, and its value."""


@dataclass(frozen=True)
class Findings:
    """Of one fusion the rows of the analyses' tables, means over seeds; none where not asked."""

    result: Result
    subsets: list[Row]
    shapley: list[Row]
    """The most valuable first."""
    perceptual: list[Row]
    emap: list[Row]


def findings(context: Context) -> list[Findings]:
    """Of all fusions that were asked, in the order of the results."""
    found = []
    for result in context.results:
        rows = {name: over_seeds(context.table(result, name), *what) for name, what in WHAT.items()}
        rows["shapley"].sort(key=lambda row: -row["value"])
        if any(rows.values()):
            found.append(Findings(result, **rows))
    return found


def sentences(found: Findings, measure: Measure) -> list[str]:
    """The answer, from what was asked."""
    asked = ((found.shapley, brings), (found.subsets, without), (found.emap, interaction))
    return [say(found, measure) for rows, say in asked if rows]


def brings(found: Findings, measure: Measure) -> str:
    """What each modality adds, most first."""
    total = sum(row["value"] for row in found.shapley)
    if total <= 0:
        gained = "gains nothing over an answer without looking"
    elif measure.is_share:
        gained = f"gains {measure.amount(total)} of {measure.name} over an answer without looking"
    else:
        gained = f"takes {measure.amount(total)} off the {measure.name} of an answer without looking"
    parts = [f"{row['modality']} {measure.gain(row['value'])} ({measure.gains(row['low'], row['high'])})" for row in found.shapley]
    unsure = [row["modality"] for row in found.shapley if row["low"] <= 0 <= row["high"]]
    doubt = f" That {enumerated(unsure, 'or')} adds anything is not shown." if unsure else ""
    means = f", means over {len(found.result.seeds)} seeds" if found.result.several else ""
    rows = f"Shapley values with 95 % intervals over {found.shapley[0]['n']:,.0f} test rows{means}"
    return f"{found.result.name} {gained}: {enumerated(parts)} ({rows}).{doubt}"


def without(found: Findings, measure: Measure) -> str:
    """What happens where one is missing."""
    by_subset = {row["subset"]: row for row in found.subsets}
    names = found.result.modalities
    left = {name: by_subset["+".join(other for other in names if other != name)] for name in names}
    missing, worst = max(left.items(), key=lambda item: measure.order(item[1]["figure"]))
    figure = f"{measure.show(worst['figure'])} ({measure.span(worst['low'], worst['high'])})"
    return (
        f"Where one is missing, it loses most without {missing}: {figure} instead of {measure.show(by_subset['+'.join(names)]['figure'])}."
    )


def interaction(found: Findings, measure: Measure) -> str:
    """Whether the modalities act on each other."""
    row = found.emap[0]
    over = "" if row["half"] is None else f"; {measure.within(row['half'])} over seeds"
    gap = f"{measure.gain(row['gap'])}{' points' if measure.is_share else ''} ({measure.gains(row['low'], row['high'])}{over})"
    figures = (
        f"if it only added up what each says (EMAP), it would have {measure.show(row['emap'])} instead of {measure.show(row['figure'])} on "
        f"{row['n']:,.0f} test rows, a gap of {gap}"
    )
    if row["low"] > 0:
        return f"Its modalities act on each other: {figures}."
    if row["high"] < 0:
        return f"That its modalities act on each other does harm: {figures}."
    return f"That it gains by modalities acting on each other is not shown: {figures}."
