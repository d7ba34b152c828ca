"""What if the data gets worse?"""

from deconfuse.reporting import charts_robustness
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.robustness import TOGETHER, robust, sentences, spelt, told
from deconfuse.reporting.words import markdown


def make(context: Context) -> Section | None:
    """None where no model was asked."""
    found, baseline = robust(context)
    if not found:
        return None
    said = sentences(found, baseline, context.measure)
    body = context.render(
        "robustness.html",
        said=said,
        found=found,
        baseline=baseline,
        panels=charts_robustness.panels(found, context.measure),
        together=TOGETHER,
        told=told(found),
        spelt=spelt,
        asked=found[0].weakest["n"],
    )
    tables = {name: table for name in ("robustness", "robustness_summary") if (table := context.tables(name)) is not None}
    return Section("robustness", "What if the data gets worse?", body, "Robustness", tables, markdown(" ".join(said)))
