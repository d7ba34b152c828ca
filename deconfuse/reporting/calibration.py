"""How sure models are beside how often they are right, read from what the analysis left."""

from dataclasses import dataclass

import pandas as pd

from deconfuse.kernel.words import plural
from deconfuse.reporting.context import Context
from deconfuse.reporting.over_seeds import Row, over_seeds
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import percent

TABLES = ("calibration", "reliability", "risk_coverage")
OVER, UNDER, NONE = "over-confident", "under-confident", "neither is shown"
HALF = 0.5
"""The share of the rows that the text tells the risk of."""


@dataclass(frozen=True)
class Sure:
    """A model: means over its seeds as trained and scaled, and of its best seed the bins and the risk at each coverage."""

    result: Result
    trained: Row
    scaled: Row
    bins: dict[str, pd.DataFrame]
    """As trained ("no") and scaled ("yes")."""
    selection: pd.DataFrame

    @property
    def verdict(self) -> str:
        """How its sureness errs, where it errs more than chance lets a perfectly calibrated model."""
        return verdict(self.trained)

    @property
    def risk(self) -> float:
        """Of the surest half of the rows."""
        return float(self.selection.loc[(self.selection["coverage"] - HALF).abs().idxmin(), "risk"])


def verdict(row: Row) -> str:
    if row["ece"] <= row["ece_chance"]:
        return NONE
    return OVER if row["confidence"] > row["accuracy"] else UNDER


def read(context: Context) -> list[Sure]:
    """Of the models that were asked, in the order of the results."""
    found = []
    for result in context.results:
        tables = [table for name in TABLES if (table := context.table(result, name)) is not None]
        if len(tables) < 3:
            continue
        trained, scaled = over_seeds(tables[0], ["scaled"], "ece")
        bins, selection = (table[table["seed"] == result.best_seed].drop(columns="seed") for table in tables[1:])
        found.append(Sure(result, trained, scaled, dict(tuple(bins.groupby("scaled"))), selection.reset_index(drop=True)))
    return found


def sentences(one: Sure, found: list[Sure]) -> list[str]:
    """How sure a model is, what a temperature makes of it, and what its sureness tells; and what is said of all."""
    return [" ".join([sure(one), erring(one), cooled(one), selected(one)]), counted(found)]


def sure(one: Sure) -> str:
    row = one.trained
    rows = f"{row['rows']:,.0f} test rows"
    of = f"on {percent(row['accuracy'])} of the {rows}"
    if row["decisions"] > row["rows"]:
        of = f"in {percent(row['accuracy'])} of its {row['decisions']:,.0f} decisions on {rows}"
    said = "that it is too sure or not sure enough is not shown" if one.verdict == NONE else f"it is {one.verdict}"
    return f"{one.result.name} is right {of}, and {percent(row['confidence'])} sure on average: {said}."


def erring(one: Sure) -> str:
    row = one.trained
    more = "no more" if one.verdict == NONE else "more"
    error = f"Its calibration error (ECE) is {100 * row['ece']:.1f} points ({span(row, 'ece')})"
    return f"{error}, {more} than the {100 * row['ece_chance']:.1f} that chance may give a perfectly calibrated model."


def cooled(one: Sure) -> str:
    row = one.scaled
    error = f"{100 * row['ece']:.1f} ({span(row, 'ece')})"
    return f"A temperature of {row['temperature']:.2f}, fitted on the validation rows, makes it {error} and changes no answer."


def selected(one: Sure) -> str:
    whole = float(one.selection["risk"].iloc[-1])
    return f"Of the half that it is surest of it gets {percent(one.risk)} wrong, of all {percent(whole)}."


def counted(found: list[Sure]) -> str:
    """How many models err which way: "Of 8 models 3 are over-confident; 1 is under-confident; of 4 neither is shown."."""
    verdicts = [one.verdict for one in found]
    told = [f"{number} {'is' if number == 1 else 'are'} {kind}" for kind in (OVER, UNDER) if (number := verdicts.count(kind))]
    unclear = verdicts.count(NONE)
    return f"Of {plural(len(found), 'model')} {'; '.join(told + ([f'of {unclear} {NONE}'] if unclear else []))}."


def span(row: Row, name: str) -> str:
    """Its interval, in points."""
    return f"{100 * row[f'{name}_low']:.1f} to {100 * row[f'{name}_high']:.1f}"
