"""Write `reports/`: the leaderboard as CSV and JSON, and the page that a person reads."""

import json
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from deconfuse.files import read_json, write_json, write_text
from deconfuse.params.report import Report
from deconfuse.reporting import charts, gallery, words
from deconfuse.reporting.answer import answer, compared
from deconfuse.reporting.results import Result, leaderboard, nested, read
from deconfuse.reporting.settings import shared_and_own

HERE = Path(__file__).parent


def write(models: list[str], options: Report, folder: Path) -> None:
    """Write leaderboard.csv, metrics.json, runs.json and index.html into `folder / "reports"`; `folder` is the project's root.

    Raises UserError where a named model is not trained or not evaluated, or a file of the data is missing.
    """
    results = read(models, folder)
    table = leaderboard(results)
    reports = folder / "reports"
    write_text(reports / "leaderboard.csv", table.to_csv(index=False, lineterminator="\n"))
    write_json(reports / "metrics.json", nested(table))
    # which trainings it compares: their digests in the leaderboard's order
    write_text(reports / "runs.json", json.dumps({result.name: result.run["digest"] for result in results}, indent=1) + "\n")
    write_text(reports / "index.html", page(results, options, folder))


def page(results: list[Result], options: Report, root: Path) -> str:
    """The whole page as HTML."""
    prepared = root / "data/prepared"
    schema, summary = read_json(prepared / "schema.json"), read_json(prepared / "summary.json")
    shared, own = shared_and_own(results, ("params", "environment", "git"))
    right, wrong = gallery.cards(list(gallery.draw(results, options.samples, options.seed)), results, root)
    return (
        environment()
        .get_template("template.html")
        .render(
            style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
            title=options.title or question(results, summary["source"]["title"]),
            answer=answer(results, options.bootstrap, options.seed),
            options=options,
            results=results,
            measure=results[0].measure,
            seeds=words.seeds([result.seeds for result in results]),
            repeated=(repeated := [result for result in results if result.several]),
            of_best=words.of_best({result.name: result.best_seed for result in repeated}),
            against=against(results, options),
            schema=schema,
            summary=summary,
            leaderboard=charts.leaderboard(results),
            curves={result.name: charts.curves(result) for result in results},
            mistakes={result.name: chart for result in results if (chart := charts.mistakes(result, schema["classes"])) is not None},
            judges="model" if all(result.single for result in results) else "fusion",
            right=right,
            wrong=wrong,
            shared=shared,
            own=own,
        )
    )


def question(results: list[Result], title: str) -> str:
    """What the page answers, where params do not say."""
    is_one = len({modality for result in results for modality in result.modalities}) == 1
    return f"Which model does best on {title}?" if is_one else f"Which modality and which fusion helps on {title}?"


def against(results: list[Result], options: Report) -> dict[str, Any]:
    """The best single modality's model, and by name the difference of every other model from it (empty without one)."""
    best = next((result for result in results if result.single), None)
    if best is None:
        return {"best": None, "differences": {}}
    others = [result for result in results if result is not best]
    found = {result.name: compared(result, best, options.bootstrap, options.seed) for result in others}
    return {"best": best, "differences": found}


def environment() -> jinja2.Environment:
    """Templates in which every value is escaped, and a missing one is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: words.plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    made.filters |= {
        word.__name__: word for word in (words.breakable, words.count, words.joined, words.number, words.percent, words.seconds)
    }
    return made
