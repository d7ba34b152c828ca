"""Why this answer?"""

from typing import Any

import pandas as pd

from deconfuse.kernel.words import plural
from deconfuse.reporting import sanity
from deconfuse.reporting.charts_explanations import attention
from deconfuse.reporting.comparisons import best
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.explained import examples
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import listed, markdown, percent


def make(context: Context) -> Section | None:
    checks = context.tables("sanity")
    if checks is None:
        return None
    verdicts = sanity.verdicts(checks)
    shown = chosen(context)
    name, shares = weighing(context)
    sentences = [sanity.about_weights(verdicts), sanity.about_sums(checks)] + ([] if shares is None else [about_attention(name, shares)])
    body = context.render(
        "explanations.html",
        sentences=sentences,
        attention=None if shares is None else attention(shares, name),
        rows=None if shares is None else shares["n"].iloc[0],
        shown=[told(context, result, checks, verdicts, is_first=result is shown[0]) for result in shown],
        columns=sanity.CHECKS,
        methods=sanity.METHODS,
    )
    tables = {"sanity": checks} | {name: found for name in TABLES if (found := of(context, name, shown)) is not None}
    return Section("explanations", "Why this answer?", body, "Explanations", tables, markdown(" ".join(sentences)))


TABLES = ("explained", "explanations", "explained_tokens", "attention", "attended")


def chosen(context: Context) -> list[Result]:
    """Of what was explained the best fusion by validation, then of each modality the best model that reads it alone."""
    found = [result for result in context.results if context.table(result, "explained") is not None]
    modalities = sorted({result.modalities[0] for result in found if result.single})
    kinds = [[result for result in found if not result.single]]
    kinds += [[result for result in found if result.single and result.modalities == [name]] for name in modalities]
    return [result for kind in kinds if (result := best(kind)) is not None]


def of(context: Context, name: str, shown: list[Result]) -> pd.DataFrame | None:
    """A table; of what is large the models shown alone."""
    found = context.tables(name)
    if found is None or name == "attention":
        return found
    kept = found[found["model"].isin([result.name for result in shown])]
    return None if kept.empty else kept


def told(
    context: Context, result: Result, checks: pd.DataFrame, verdicts: dict[tuple[str, str, str], str], *, is_first: bool
) -> dict[str, Any]:
    """What the page shows of a model."""
    own = checks[(checks["model"] == result.name) & (checks["method"] != "attention")]
    by_map = {(modality, method): verdict for (model, modality, method), verdict in verdicts.items() if model == result.name}
    return {
        "result": result,
        "examples": examples(context, result, by_map, has_media=is_first),
        "checks": sanity.table(own),
        "n": own["n"].max(),
    }


def weighing(context: Context) -> tuple[str, pd.DataFrame | None]:
    """The best fusion by validation that weighs its modalities, and their shares."""
    found = {result.name: shares for result in context.results if (shares := context.table(result, "attention")) is not None}
    result = best(result for result in context.results if result.name in found)
    return ("", None) if result is None else (result.name, found[result.name])


def about_attention(name: str, shares: pd.DataFrame) -> str:
    rows = shares.sort_values("share", ascending=False, kind="stable").to_dict("records")
    parts = [f"{row['modality']} {percent(row['share'])} ({percent(row['untrained'])})" for row in rows]
    over = plural(int(shares["n"].iloc[0]), "test row")
    return f"What {name} weighs its modalities by, in the mean over {over} and with random weights in brackets: {listed(parts)}."
