"""What does it cost?"""

import pandas as pd

from deconfuse.reporting import charts_costs
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import joined, markdown, scaled, seconds

COLUMNS = ["parameters", "flops", "train_seconds", "samples_per_second", "peak_mebibytes"]


def make(context: Context) -> Section:
    table = pd.DataFrame([costs(context, result) for result in context.results])
    has_flops = table["flops"].notna().all()
    chart = charts_costs.against_flops(context.results, table["flops"].tolist()) if has_flops else None
    answer = said(context, table)
    body = context.render("costs.html", rows=table.astype(object).where(table.notna(), None).to_dict("records"), chart=chart, answer=answer)
    return Section("costs", "What does it cost?", body, "Costs", {"costs": table}, markdown(answer))


def costs(context: Context, result: Result) -> dict[str, object]:
    """A model's row: `flops` of an answer; `train_seconds` of all seeds; `peak_mebibytes` of main memory, at most in training."""
    told = context.table(result, "costs")
    flops = None if told is None else float(told.loc[told["part"] == "model", "flops"].iloc[0])
    peak = max((look["peak_memory_megabytes"] for look in result.run.get("system", [])), default=None)
    measured = [result.parameters, flops, result.run["train_seconds"], result.run["samples_per_second"], peak]
    return {"model": result.name, "modalities": joined(result.modalities), **dict(zip(COLUMNS, measured, strict=True))}


def said(context: Context, table: pd.DataFrame) -> str:
    """What the best model costs, and the cheapest one."""
    best, measure = context.results[0], context.measure
    first = table.iloc[0]
    total = f"All {len(table)} models were trained in {seconds(table['train_seconds'].sum())}."
    if not table["flops"].notna().all() or len(table) == 1:
        return total
    cheap = table.sort_values(["flops", "model"]).iloc[0]
    if cheap["model"] == best.name:
        return f"{total} The best model, {best.name}, is also the cheapest: {scaled(first['flops'])}FLOP an answer."
    other = next(result for result in context.results if result.name == cheap["model"])
    less = measure.amount(abs(best.value - other.value))
    worse = "more" if measure.less_is_better else "less"
    return (
        f"{total} The best, {best.name}, takes {scaled(first['flops'])}FLOP an answer; the cheapest, {other.name}, "
        f"{scaled(cheap['flops'])}FLOP, for {less} {worse} {measure.name}."
    )
