"""How sure are the models, and how honestly so?"""

from deconfuse.reporting import charts_calibration
from deconfuse.reporting.calibration import NONE, TABLES, Sure, read, sentences, span
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.words import markdown, percent

HEADING = "How sure are the models, and how honestly so?"
DRAWN = 12
"""Models whose reliability is drawn beside the first."""


def make(context: Context) -> Section | None:
    """None where no model was asked."""
    found = read(context)
    if not found:
        return None
    first = next((one for one in found if one.result is context.chosen), found[0])
    said = sentences(first, found)
    others = [one for one in found if one is not first][:DRAWN]
    body = context.render(
        "calibration.html",
        said=said,
        first=first,
        found=found,
        drawn=charts_calibration.reliability(first),
        others={one.result.name: charts_calibration.reliability(one) for one in others},
        selection=charts_calibration.selection(found),
        span=span,
        unclear=NONE,
    )
    tables = {name: table for name in TABLES if (table := context.tables(name)) is not None}
    told = "\n\n".join([markdown(" ".join(said)), rows(found)])
    return Section("calibration", HEADING, body, "Calibration", tables, told)


def rows(found: list[Sure]) -> str:
    """The table's first columns in Markdown."""
    head = ["model", "right", "sure", "ECE, points", "temperature", "ECE scaled, points"]
    lines = [head, ["---"] * len(head)]
    for one in found:
        trained, scaled = one.trained, one.scaled
        errors = [f"{100 * row['ece']:.1f} ({span(row, 'ece')})" for row in (trained, scaled)]
        shares = [percent(trained[name]) for name in ("accuracy", "confidence")]
        lines.append([markdown(one.result.name), *shares, f"{errors[0]}, {one.verdict}", f"{scaled['temperature']:.2f}", errors[1]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
