"""Which model is best?"""

from deconfuse.reporting import words
from deconfuse.reporting.answer import interval, seeds
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    body = context.render("leaderboard.html", rivals=context.verdicts.rival)
    return Section("leaderboard", "Leaderboard", body, "Leaderboard", markdown=markdown(context))


def markdown(context: Context) -> str:
    """The table's first columns."""
    measure, rivals = context.measure, context.verdicts.rival
    head = ["model", "modalities", "fusion", f"test {measure.name} (95 % interval)", *(["best baseline of the same"] if rivals else [])]
    rows = [head, ["---"] * len(head)]
    for result in context.results:
        figure = f"{measure.show(result.value)} ({interval(result)}{seeds(result, result.seeds_half)})"
        cells = [result.name, words.joined(result.modalities), result.fusion or "none", figure]
        if rivals:
            found = rivals[result.name]
            cells.append(
                f"{measure.show(found.against.value)}: the model is {found.verdict}" + " to be better" * (found.verdict == "not shown")
            )
        rows.append([words.markdown(cell) for cell in cells])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
