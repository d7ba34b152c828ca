"""All comparisons of a report, made once: of models with each other, with chance, and with the best baseline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deconfuse.params.report import Report
from deconfuse.reporting import comparisons, rivals
from deconfuse.reporting.comparisons import Asked, Comparison
from deconfuse.reporting.results import Result
from deconfuse.reporting.rivals import Rival


@dataclass(frozen=True)
class Verdicts:
    """Three questions, each corrected for its own number of comparisons."""

    declared: list[Comparison]
    """Those of `report.comparisons`, or of the default rule."""
    is_default: bool
    """Whether they are of the default rule."""
    chance: dict[str, Comparison]
    """By model, whether it is better than one answer for all rows; empty where that is no baseline of params."""
    rival: dict[str, Comparison]
    """By model, whether it is better than the best baseline that reads the same modalities or none; empty without baselines."""
    rivals: list[Rival]

    @property
    def nothing_beats_chance(self) -> bool:
        return nothing(self.chance)

    @property
    def nothing_beats_its_rival(self) -> bool:
        return nothing(self.rival)

    def of(self, model: Result, against: Result) -> Comparison | None:
        """The declared comparison of two models."""
        return next((one for one in self.declared if one.model is model and one.against is against), None)


def nothing(asked: dict[str, Comparison]) -> bool:
    """Whether models were compared, and none is better."""
    return bool(asked) and all(one.verdict != "better" for one in asked.values())


def reached(results: list[Result], options: Report, root: Path, schema: dict[str, Any]) -> Verdicts:
    """All comparisons. Raises UserError where params name a model that is not there, or the data are not those of the models."""
    found = rivals.measured(results, options, root, schema)
    chance = [rival for rival in found if not rival.modalities]
    measure = results[0].measure
    best = {result.name: rivals.best(found, result.modalities, measure) for result in results}
    return Verdicts(
        declared=comparisons.declared(results, options),
        is_default=options.comparisons is None,
        chance=against({result.name: next(iter(chance), None) for result in results}, results, options, "model against chance"),
        rival=against(best, results, options, "model against the best baseline"),
        rivals=found,
    )


def against(wanted: dict[str, Rival | None], results: list[Result], options: Report, reason: str) -> dict[str, Comparison]:
    """By name each model against its baseline, where it has one."""
    asked = [Asked(result, rival, reason, rival.rows, is_fixed=True) for result in results if (rival := wanted[result.name]) is not None]
    return {one.model.name: one for one in comparisons.made(asked, options)}
