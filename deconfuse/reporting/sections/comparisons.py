"""Does it help?"""

import pandas as pd

from deconfuse.kernel.words import plural
from deconfuse.reporting import words
from deconfuse.reporting.answer import difference
from deconfuse.reporting.charts_comparisons import forest
from deconfuse.reporting.comparisons import Comparison
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.rivals import Rival, table

VERDICTS = {"better": "Better", "not shown": "Not shown to be better or worse", "worse": "Worse"}

MANY = 6
"""Models named one after another."""


def make(context: Context) -> Section | None:
    verdicts = context.verdicts
    rivals = list(verdicts.rival.values())
    if not verdicts.declared and not rivals:
        return None
    said = [outcome(context, verdicts.declared, asked(context))] if verdicts.declared else []
    said += [outcome(context, rivals, "of a model with the best baseline of the same modalities")] if rivals else []
    body = context.render(
        "comparisons.html",
        said=said,
        declared=verdicts.declared,
        rivals=rivals,
        baselines=verdicts.rivals,
        is_default=verdicts.is_default,
        tests=words.listed(sorted({one.found.test for one in [*verdicts.declared, *rivals]})),
        drawn=None if not verdicts.declared else forest(verdicts.declared, "comparisons"),
        drawn_rivals=None if not rivals else forest(rivals, "against baselines"),
        is_capped=any(len(rival.rows) < context.results[0].test["n"] for rival in verdicts.rivals),
    )
    tables = {"comparisons": rows(verdicts.declared), "against_baselines": rows(rivals)}
    tables = {name: found for name, found in tables.items() if len(found)}
    if verdicts.rivals:
        tables["baselines"] = table(verdicts.rivals, context.measure)
    return Section("comparisons", "Does it help?", body, "Does it help?", tables, markdown(said, [*verdicts.declared, *rivals]))


def asked(context: Context) -> str:
    return "of the default rule" if context.verdicts.is_default else "that params name"


def named(one: Comparison) -> str:
    return f"{one.model.name} against {one.opponent}"


def outcome(context: Context, found: list[Comparison], which: str) -> str:
    """What the comparisons show, and on how many rows and seeds."""
    trained = (
        "each model trained once" if not context.repeated else f"models trained {words.seeds([result.seeds for result in context.results])}"
    )
    head = f"{plural(len(found), 'comparison')} {which}, on {words.count(context.results[0].test['n'])} test rows, {trained}."
    groups: dict[str, list[str]] = {}
    for verdict, said in VERDICTS.items():
        for one in (one for one in found if one.verdict == verdict):
            than = "" if isinstance(one.against, Rival) else f" than {one.against.name}"
            groups.setdefault(f"{said}{than}", []).append(one.model.name)
    few = {said: who if len(who) <= MANY else [*who[: MANY - 1], f"{len(who) - MANY + 1} more"] for said, who in groups.items()}
    return " ".join([head, *(f"{said}: {words.listed(who)}." for said, who in few.items())])


def rows(found: list[Comparison]) -> pd.DataFrame:
    """The columns of comparisons.csv and against_baselines.csv; figures as in leaderboard.csv, differences of them."""
    return pd.DataFrame(
        [
            {
                "model": one.model.name,
                "against": one.against.name,
                "why": one.reason,
                "measure": one.measure.key,
                "rows": one.against.terms.shape[1],
                "seeds": len(one.model.seeds),
                "seeds_against": one.against.terms.shape[0],
                "difference": one.found.value,
                "low": one.found.low,
                "high": one.found.high,
                "seeds_half_width": one.found.half,
                "test": one.found.test,
                "p": one.found.p,
                "p_holm": one.adjusted,
                "verdict": one.verdict,
            }
            for one in found
        ]
    )


def markdown(said: list[str], found: list[Comparison]) -> str:
    """The outcomes, and a line a comparison."""
    cells = [[named(one), difference(one), words.probability(one.adjusted), one.verdict] for one in found]
    lines = [f"| {' | '.join(map(words.markdown, row))} |" for row in cells]
    head = ["| comparison | difference | p (Holm) | verdict |", "| --- | --- | --- | --- |"]
    return "\n\n".join([*map(words.markdown, said), "\n".join([*head, *lines])])
