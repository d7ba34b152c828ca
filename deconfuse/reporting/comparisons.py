"""Does it help? Which models are compared with which, said before any figure of the test split is seen, and the verdicts."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.params.report import Report
from deconfuse.reporting.differences import LEVEL, Difference, compared
from deconfuse.reporting.measures import Measure
from deconfuse.reporting.results import Result
from deconfuse.reporting.rivals import Rival
from deconfuse.reporting.significance import holm

TWIN = {"encoders": ("deconvolution", "cnn"), "fusion": ("deconvolution", "concat")}
"""A part of the kind, and the plain one that it is measured by."""


Side = Result | Rival
"""What can be compared with a model: another one, or a baseline."""


@dataclass(frozen=True)
class Comparison:
    """One model against another, or against a baseline."""

    model: Result
    against: Side
    reason: str
    """Why it was asked."""
    found: Difference
    adjusted: float
    """p by Holm over all comparisons that were asked together."""

    @property
    def measure(self) -> Measure:
        return self.model.measure

    @property
    def opponent(self) -> str:
        """What the model is compared with, where the model is named beside it."""
        return self.against.title if isinstance(self.against, Rival) else self.against.name

    @property
    def verdict(self) -> str:
        return verdict(self.measure, self.found, self.adjusted)


def verdict(measure: Measure, found: Difference, adjusted: float) -> str:
    """`better` or `worse` where the interval over rows and, where both have several seeds, that over seeds leave 0 out, and p by Holm
    is below 0.05; else `not shown`."""
    if not (found.shown and adjusted < LEVEL):
        return "not shown"
    return "better" if measure.order(found.value) < 0 else "worse"


@dataclass(frozen=True)
class Asked:
    """A comparison to make."""

    model: Result
    against: Side
    reason: str
    rows: np.ndarray | None = None
    """The test rows that both have answered, as places in the model's; None where these are all."""
    is_fixed: bool = False
    """Whether `against` has no luck of training."""


def made(asked: Sequence[Asked], options: Report) -> list[Comparison]:
    """The comparisons, corrected for being so many."""
    found = []
    for one in asked:
        terms = one.model.terms if one.rows is None else one.model.terms[:, one.rows]
        found.append(compared(one.model.measure, terms, one.against.terms, options.bootstrap, options.seed, one.is_fixed))
    adjusted = holm([difference.p for difference in found])
    return [
        Comparison(one.model, one.against, one.reason, difference, p) for one, difference, p in zip(asked, found, adjusted, strict=True)
    ]


def declared(results: list[Result], options: Report) -> list[Comparison]:
    """Those that params name; by default each fusion against the best single modality, and each deconvolution against its twin."""
    if options.comparisons is None:
        return made([*fusions(results), *deconvolutions(results)], options)
    named = {result.name: result for result in results}
    for pair in options.comparisons:
        for name in (pair.model, pair.against):
            if name not in named:
                raise UserError(f"report.comparisons names {name!r}, which is not in the line-up; there are: {', '.join(named)}")
    return made([Asked(named[pair.model], named[pair.against], "named in params") for pair in options.comparisons], options)


def best(results: Iterable[Result]) -> Result | None:
    """The best model by the validation split (then by name): a choice by the test rows would flatter it."""
    return min(results, key=lambda result: (result.measure.order(result.val[result.measure.key]), result.name), default=None)


def fusions(results: list[Result]) -> list[Asked]:
    single = best(result for result in results if result.single)
    return [Asked(result, single, "fusion against the best single modality") for result in results if single and not result.single]


def deconvolutions(results: list[Result]) -> list[Asked]:
    """Each model with deconvolutions against its twin: the model of the line-up that is the same but has `cnn` in place of some of these
    encoders or `concat` in place of the fusion; of several, the one that differs in the fewest places (then by name)."""
    forms = {result.name: form(result) for result in results}
    pairs = []
    for result in results:
        plain, places = forms[result.name]
        twins = [other for other in results if forms[other.name][0] == plain and forms[other.name][1] < places]
        if twins:
            twin = min(twins, key=lambda other: (len(places - forms[other.name][1]), other.name))
            pairs.append(Asked(result, twin, "deconvolution against its convolutional twin"))
    return pairs


def form(result: Result) -> tuple[dict[str, Any], frozenset[str]]:
    """What a model was made by, with the plain part in place of each deconvolution and without the options of either; and where it has
    deconvolutions."""
    entry, training = dict(result.run["params"]["model"]), dict(result.run["params"]["train"])
    # other luck is no other model
    training.pop("seeds")
    parts = {f"encoders.{modality}": encoder for modality, encoder in entry.pop("encoders").items()} | {"fusion": entry.pop("fusion")}
    kinds = {place: TWIN[place.partition(".")[0]] for place in parts}
    swaps = {place: kinds[place] for place, part in parts.items() if part and part["name"] in kinds[place]}
    plain = {place: {"name": swaps[place][1]} if place in swaps else part for place, part in parts.items()}
    there = frozenset(place for place, (special, _) in swaps.items() if parts[place]["name"] == special)
    return {"parts": plain, "entry": entry, "train": training}, there
