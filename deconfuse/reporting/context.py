"""What every section of the page is made from."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from deconfuse.params.report import Report
from deconfuse.reporting.comparisons import best
from deconfuse.reporting.measures import Measure
from deconfuse.reporting.results import Result
from deconfuse.reporting.verdicts import Verdicts

TEXT = ("modality", "subset", "id", "class", "token")
"""Columns of the analyses' tables that are text, whatever they look like."""


@dataclass(frozen=True)
class Context:
    """The results of the line-up, and what is known of the data."""

    results: list[Result]
    """Best main figure first."""
    options: Report
    schema: dict[str, Any]
    """data/prepared/schema.json"""
    summary: dict[str, Any]
    """data/prepared/summary.json"""
    root: Path
    """The project's."""
    verdicts: Verdicts
    """All comparisons."""
    render: Callable[..., Markup]
    """A template of `sections/` by its name, with values; all that is no Markup is escaped."""

    @property
    def measure(self) -> Measure:
        """What the models are compared by."""
        return self.results[0].measure

    @property
    def repeated(self) -> list[Result]:
        """The models of several seeds."""
        return [result for result in self.results if result.several]

    @property
    def chosen(self) -> Result:
        """The model that is best on the validation split."""
        return best(self.results) or self.results[0]

    def answers(self, result: Result, split: str) -> pd.DataFrame:
        """What the best seed said of the rows of val or test, in their order: `id`, `actual`, `predicted` as text, where there are classes
        `confidence` and `p:<class>` as numbers."""
        path = self.root / "reports/models" / result.name / f"{split}.csv"
        # a class may well be named "NA" or "007"
        kinds: Any = defaultdict(lambda: "float64", dict.fromkeys(("seed", "id", "actual", "predicted"), "str"))
        found = pd.read_csv(path, dtype=kinds, keep_default_na=False)
        return found[found["seed"] == str(result.best_seed)].drop(columns="seed").reset_index(drop=True)

    def table(self, result: Result, name: str) -> pd.DataFrame | None:
        """A table that an analysis left of a model (columns: seed, then its own); None where it was not asked, or has no rows."""
        path = self.root / "reports/models" / result.name / "tables" / f"{name}.csv"
        try:
            # a class or a text may be named "NA", a modality "1"
            found = pd.read_csv(path, keep_default_na=False, dtype=dict.fromkeys(TEXT, str))
        except (FileNotFoundError, pd.errors.EmptyDataError):
            return None
        return None if found.empty else found

    def tables(self, name: str) -> pd.DataFrame | None:
        """The same of all models that have it, in the order of the results, with the column `model` first; None where none has."""
        found = {result.name: table for result in self.results if (table := self.table(result, name)) is not None}
        if not found:
            return None
        return pd.concat([table.assign(model=model)[["model", *table]] for model, table in found.items()], ignore_index=True)


@dataclass(frozen=True)
class Section:
    """One question of the report, and its answer."""

    id: str
    heading: str
    """The question."""
    body: Markup
    short: str
    """Its name in the page's navigation."""
    tables: dict[str, pd.DataFrame] = field(default_factory=dict)
    """What its charts are drawn from: name -> `reports/tables/NAME.csv`, which the page links to."""
    markdown: str = ""
    """The answer for report.md: sentences, lists or a table in GitHub's Markdown, its texts escaped by `words.markdown`."""
