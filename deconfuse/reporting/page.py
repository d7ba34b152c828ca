"""Write `reports/`: the leaderboard as CSV and JSON, and the page that a person reads, whole and in short."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from deconfuse.forked import forked
from deconfuse.kernel.cores import cores
from deconfuse.kernel.files import read_json, whole, write_json, write_text
from deconfuse.params.report import Report
from deconfuse.reporting import charts, words
from deconfuse.reporting import results as trained
from deconfuse.reporting.answer import answer
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.results import Result
from deconfuse.reporting.sections import (
    calibration,
    clusters,
    comparisons,
    confusions,
    costs,
    curves,
    data,
    diagnosis,
    explanations,
    faults,
    figures,
    leaderboard,
    modalities,
    models,
    robustness,
    samples,
)
from deconfuse.reporting.verdicts import reached
from deconfuse.spreadsheet import plain

HERE = Path(__file__).parent
SECTIONS = (
    leaderboard,
    comparisons,
    figures,
    modalities,
    robustness,
    calibration,
    diagnosis,
    explanations,
    faults,
    clusters,
    costs,
    data,
    curves,
    confusions,
    samples,
    models,
)
"""In the page's order."""


def write(names: list[str], options: Report, root: Path) -> None:
    """Write leaderboard.csv, metrics.json, runs.json, tables/, report.md and index.html into `reports/` of `root`, the project's.

    Raises UserError where a named model is not trained or not evaluated, or a file of the data is missing.
    """
    results = trained.read(names, root)
    table = trained.leaderboard(results)
    reports = root / "reports"
    write_text(reports / "leaderboard.csv", table.to_csv(index=False, lineterminator="\n"))
    write_json(reports / "metrics.json", trained.nested(table))
    # which trainings it compares: their digests in the leaderboard's order
    write_text(reports / "runs.json", json.dumps({result.name: result.run["digest"] for result in results}, indent=1) + "\n")
    # which leaves no threads behind, since baselines are measured on one: forks would wait for those
    context = gathered(results, options, root)
    made = forked([partial(one.make, context) for one in SECTIONS], cores())
    sections = [section for section in made if section is not None]
    with whole(reports / "tables") as folder:
        folder.mkdir()
        for name, rows in (item for section in sections for item in section.tables.items()):
            written = rows.map(lambda cell: plain(cell) if isinstance(cell, str) else cell)
            written.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
    title = options.title or question(results, context.summary["source"]["title"])
    said = answer(results, context.verdicts)
    write_text(reports / "report.md", markdown(title, said, sections))
    write_text(reports / "index.html", page(context, title, said, sections))


def gathered(results: list[Result], options: Report, root: Path) -> Context:
    """What the sections are made from."""
    prepared = root / "data/prepared"
    schema, summary = read_json(prepared / "schema.json"), read_json(prepared / "summary.json")
    templates = environment()

    def render(template: str, **values: Any) -> Markup:
        return Markup(templates.get_template(template).render(**common(context), **values))

    context = Context(results, options, schema, summary, root, reached(results, options, root, schema), render)
    return context


def common(context: Context) -> dict[str, Any]:
    """What every template may use."""
    return {
        "options": context.options,
        "results": context.results,
        "measure": context.measure,
        "repeated": context.repeated,
        "of_best": words.of_best({result.name: result.best_seed for result in context.repeated}),
        "schema": context.schema,
        "summary": context.summary,
    }


def markdown(title: str, said: tuple[str, str], sections: list[Section]) -> str:
    """What a pull request needs of it: the answers, without charts."""
    parts = [f"# {words.markdown(title)}", " ".join(map(words.markdown, said))]
    parts += [f"## {section.heading}\n\n{section.markdown}" for section in sections if section.markdown]
    return "\n\n".join(parts) + "\n"


def page(context: Context, title: str, said: tuple[str, str], sections: list[Section]) -> str:
    """The whole page as HTML."""
    results = context.results
    return context.render(
        "page.html",
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        title=title,
        answer=said,
        seeds=words.seeds([result.seeds for result in results]),
        leaderboard=charts.leaderboard(results, {name: found.against.value for name, found in context.verdicts.rival.items()}),
        has_rivals=bool(context.verdicts.rival),
        sections=sections,
    )


def question(results: list[Result], title: str) -> str:
    """What the page answers, where params do not say."""
    is_one = len({modality for result in results for modality in result.modalities}) == 1
    return f"Which model does best on {title}?" if is_one else f"Which modality and which fusion helps on {title}?"


def environment() -> jinja2.Environment:
    """Templates in which every value is escaped, and a missing one is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "sections"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: words.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    filters = (words.breakable, words.count, words.joined, words.number, words.percent, words.probability, words.scaled, words.seconds)
    made.filters |= {word.__name__: word for word in filters}
    return made
