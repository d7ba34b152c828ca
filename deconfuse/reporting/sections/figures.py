"""Do other measures say the same?"""

from deconfuse.reporting import figures, words
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.figures import Figure
from deconfuse.reporting.results import Result


def make(context: Context) -> Section:
    results = context.results
    shown = [figure for figure in figures.known(results) if figure.key != "macro_recall" or is_own(results)]
    answer = said(results, shown)
    body = context.render("figures.html", answer=answer, shown=shown, cell=cell, half=half)
    told = "\n\n".join([words.markdown(answer), markdown(results, shown)])
    return Section("figures", "Do other measures say the same?", body, "All measures", {"figures": figures.table(results)}, told)


def is_own(results: list[Result]) -> bool:
    """Whether macro recall is another number than balanced accuracy: some class has no test row."""
    return any(result.test["macro_recall"] != result.test.get("balanced_accuracy") for result in results)


def said(results: list[Result], shown: list[Figure]) -> str:
    """By which measures the best model of the leaderboard is the best, and who is by the others."""
    by: dict[str, list[str]] = {}
    for figure in shown:
        by.setdefault(figure.best(results).name, []).append(figure.name)
    first, main = results[0].name, results[0].measure.name
    rows = f"on {results[0].test['n']:,} test rows"
    if len(by) == 1:
        return f"By all {len(shown)} measures {first} is best {rows}."
    also = len(by[first]) - 1
    own = f"By {main} and {also} of the {len(shown) - 1} other measures {first} is best {rows}"
    return f"{own}; {'; '.join(f'by {words.listed(names)} it is {model}' for model, names in by.items() if model != first)}."


def cell(figure: Figure, found: dict[str, float]) -> tuple[str, str]:
    """A figure of a split and its interval over rows, which one without variation lacks."""
    if figure.key not in found:
        return "", ""
    low, high = (found.get(f"{figure.key}_{end}") for end in ("low", "high"))
    return figure.show(found[figure.key]), "" if low is None or high is None else f"{figure.bare(low)} to {figure.bare(high)}"


def half(figure: Figure, found: dict[str, float]) -> str:
    """Half of the interval over seeds, where there are several."""
    high = found.get(f"{figure.key}_seeds_high")
    return "" if high is None else f"\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}{figure.bare(high - found[figure.key])}"


def markdown(results: list[Result], shown: list[Figure]) -> str:
    rows = [["model", *(figure.name for figure in shown)], ["---"] * (len(shown) + 1)]
    for result in results:
        cells = [cell(figure, result.test) for figure in shown]
        rows.append([words.markdown(result.name), *(f"{value} ({interval})" if interval else value for value, interval in cells)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
