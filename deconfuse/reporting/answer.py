"""The answer in two sentences, made from the verdicts."""

from deconfuse.reporting.comparisons import Comparison, best
from deconfuse.reporting.results import Result
from deconfuse.reporting.rivals import Rival
from deconfuse.reporting.verdicts import Verdicts
from deconfuse.reporting.words import joined, listed


def answer(results: list[Result], verdicts: Verdicts) -> tuple[str, str]:
    """Which modality is best, and what fusion adds to it; or that nothing has been learnt. The best of a kind is that by validation."""
    return about_single(results, verdicts), about_fusion(results, verdicts)


def about_single(results: list[Result], verdicts: Verdicts) -> str:
    """The first sentence."""
    single, first = best(result for result in results if result.single), best(results)
    assert first is not None
    for is_in_vain, what, found in (
        (verdicts.nothing_beats_chance, "chance", verdicts.chance),
        (verdicts.nothing_beats_its_rival, "a simple baseline", verdicts.rival),
    ):
        if is_in_vain:
            return f"No model is shown to be better than {what}: {told(first, ', the best one,')}, against {rival(found[first.name])}."
    if single is None:
        return "No model of one modality alone is in the line-up, so what fusion adds cannot be said."
    return f"The best single modality on validation is {single.modalities[0]}: {told(single)}{unbeaten(single, verdicts)}."


def told(result: Result, aside: str = "") -> str:
    """A model's main figure with its intervals; after its name an aside."""
    rows = f"{'of' if result.measure.key == 'accuracy' else 'on'} the {result.test['n']:,} test rows"
    measured = f"{result.name}{aside} {achieved(result)} {rows}"
    return f"{measured} (95 % interval {interval(result)}{seeds(result, result.seeds_half)})"


def rival(found: Comparison) -> str:
    """The baseline of a comparison: "logistic regression of the same (89.6 %; difference +0.4 points, 95 % interval −1.0 to +7.2)"."""
    measure, against = found.measure, found.against
    who = f"{against.title} of the same" if isinstance(against, Rival) and against.modalities else against.name
    return f"{who} ({measure.show(against.value)}; difference {difference(found)})"


def unbeaten(result: Result, verdicts: Verdicts) -> str:
    """A clause where a model is not shown to beat the best baseline of the same modalities, and the first sentence does not say so."""
    found = verdicts.rival.get(result.name)
    if found is None or found.verdict == "better" or verdicts.nothing_beats_chance or verdicts.nothing_beats_its_rival:
        return ""
    return f", but {'worse' if found.verdict == 'worse' else 'not shown to be better'} than {rival(found)}"


def difference(found: Comparison) -> str:
    """A difference with its intervals: "+3.1 points, 95 % interval −1.0 to +7.2"."""
    measure = found.measure
    unit = " points" if measure.is_share else ""
    span = measure.gains(found.found.low, found.found.high)
    return f"{measure.gain(found.found.value)}{unit}, 95 % interval {span}{seeds(found.model, found.found.half)}"


def about_fusion(results: list[Result], verdicts: Verdicts) -> str:
    """The second sentence."""
    fusion, single = best(result for result in results if not result.single), best(result for result in results if result.single)
    if not verdicts.is_default:
        return about_declared(verdicts.declared)
    if fusion is None:
        return "No fusion is in the line-up: name two or more encoders and a fusion in an entry of `models:` to learn whether it helps."
    who = fusion.name if fusion.name == fusion.fusion else f"{fusion.name} ({fusion.fusion})"
    what = f"{who} of {joined(fusion.modalities)}, {achieved(fusion)}"
    found = verdicts.of(fusion, single) if single else None
    if single is None or found is None:
        return f"The best fusion, {what} (95 % interval {interval(fusion)}{seeds(fusion, fusion.seeds_half)})."
    measure, gap = fusion.measure, found.found
    amount = f"{measure.amount(abs(gap.value))} {'less' if gap.value < 0 else 'more'}"
    how = f"{amount} than {single.modalities[0]} alone (95 % interval {measure.gains(gap.low, gap.high)}{seeds(fusion, gap.half)})"
    # the better one of two that are no better than chance is luck
    is_gain = found.verdict == "better" and not verdicts.nothing_beats_chance
    head = "Fusion helps" if is_gain else "Fusion does not help here" if found.verdict == "worse" else "No gain by fusion is shown"
    return f"{head}: the best one, {what}, {how}{others(found, verdicts)}{unbeaten(fusion, verdicts)}."


def others(found: Comparison, verdicts: Verdicts) -> str:
    """Where the best fusion is not shown to be better, those that are."""
    alike = [one for one in verdicts.declared if one.reason == found.reason and one is not found]
    better = [one.model.name for one in alike if one.verdict == "better"]
    if found.verdict == "better" or not better or verdicts.nothing_beats_chance:
        return ""
    return f"; {listed(better)} {'is' if len(better) == 1 else 'are'} shown to be better"


def about_declared(declared: list[Comparison]) -> str:
    """The outcome of the comparisons that params name."""
    if not declared:
        return "Params name no comparison (`report.comparisons`), so what helps is not said."
    clear = [one for one in declared if one.verdict != "not shown"]
    shown = [f"{one.model.name} is {one.verdict} than {one.against.name} ({difference(one)})" for one in clear]
    head = f"Of the {len(declared)} comparisons" if len(declared) > 1 else "Of the one comparison"
    if not shown:
        return f"{head} that params name, none shows a difference."
    return f"{head} that params name, {len(shown)} show{'s' if len(shown) == 1 else ''} a difference: {'; '.join(shown)}."


def achieved(result: Result) -> str:
    if result.measure.key == "accuracy":
        return f"is right on {result.measure.show(result.value)}"
    return f"has {result.measure.name} {result.measure.show(result.value)}"


def interval(result: Result) -> str:
    """The interval of a model's main figure over test rows, without its unit."""
    return result.measure.span(*result.bounds)


def seeds(result: Result, half: float | None) -> str:
    """What follows an interval over test rows where there is one over seeds."""
    return "" if half is None else f" over test rows, {result.measure.within(half)} over seeds"
