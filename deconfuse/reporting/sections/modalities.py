"""What does each modality do?"""

from deconfuse.reporting import charts_modalities
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.modalities import WHAT, findings, sentences
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import markdown


def make(context: Context) -> Section | None:
    """None where no fusion was asked."""
    found = findings(context)
    if not found:
        return None
    best, measure = found[0], context.measure
    said = sentences(best, measure)
    body = context.render(
        "modalities.html",
        said=said,
        unused=always_there(best.result),
        found=found,
        best=best,
        names=sorted({name for one in found for name in one.result.modalities}),
        subsets=charts_modalities.subsets(best, measure) if best.subsets else None,
        contributions=charts_modalities.contributions(best, measure) if best.shapley or best.perceptual else None,
    )
    tables = {name: table for name in WHAT if (table := context.tables(name)) is not None}
    return Section("modalities", "What does each modality do?", body, "Modalities", tables, markdown(" ".join(said)))


def always_there(result: Result) -> bool:
    """Whether training left no modality out."""
    return not result.run["params"]["train"].get("modality_dropout", 0)
