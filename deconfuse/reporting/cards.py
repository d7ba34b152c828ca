"""Cards of the models (Mitchell et al. 2019) and the data (Gebru et al. 2021): recorded facts only; what nobody recorded is not stated."""

from typing import Any

from deconfuse.kernel.words import plural
from deconfuse.reporting.context import Context
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import count, percent, seconds

UNKNOWN = "not stated"


def model_card(context: Context, result: Result) -> dict[str, str]:
    """Of a model: what is said, by what it is about."""
    run, measure, summary = result.run, result.measure, context.summary
    used, rows = run["params"].get("embed", {}), summary["rows"]
    reads = "; ".join(f"{name} as {named(used[name])}" if name in used else name for name in result.modalities)
    low, high = result.bounds
    figures = f"test {measure.name} {measure.show(result.value)} (95 % interval {measure.span(low, high)}, n = {result.test['n']:,})"
    number = len(result.seeds)
    seeds = f"{number} seed{'s' if number > 1 else ''}"
    if result.seeds_half is not None:
        seeds += f", {measure.within(result.seeds_half)}"
    return {
        "Kind": f"{architecture(run['params']['model'])}; {result.parameters:,} parameters",
        "Reads": reads,
        "Answers": answers(context),
        "Intended use": context.options.intended_use or f"{UNKNOWN} (report.intended_use)",
        "Learnt from": f"{summary['source']['title']}: {rows.get('train', 0):,} rows, epoch chosen on {rows.get('val', 0):,}",
        "Reaches": f"{figures}; {seeds}",
        "Without a modality": "answers from what is there; where nothing is, from how frequent the classes are in training",
        "Data's licence": summary["source"]["licence"] or UNKNOWN,
        "Trained on": machine(run),
        "Code": commit(run["git"]),
        "Run": run["digest"][:12],
    }


def data_card(context: Context) -> dict[str, str]:
    """Of the data set."""
    summary, schema = context.summary, context.schema
    source = summary["source"]
    rows = ", ".join(f"{count(number)} {split}" for split, number in summary["rows"].items())
    return {
        "Title": source["title"] or UNKNOWN,
        "Source": source["name"] or UNKNOWN,
        "Made by": source["citation"] or UNKNOWN,
        "Licence": source["licence"] or UNKNOWN,
        "Rows": rows,
        "Split": summary["split"],
        "Asks for": answers(context),
        "Holds": "; ".join(f"{name} ({told['kind']})" for name, told in sorted(schema["modalities"].items())),
        "Left out": f"{plural(summary['rejected'], 'row')} that could not be used",
        "Missing": missing(summary),
        "Collected how and when, by consent of whom": UNKNOWN,
        "Digest of the train rows": str(schema["digest"]["train"])[:12] if "digest" in schema else UNKNOWN,
    }


def machine(run: dict[str, Any]) -> str:
    known = run["environment"]
    return f"{known.get('processor') or known.get('device', UNKNOWN)}, {seconds(run['train_seconds'])}, torch {known.get('torch', UNKNOWN)}"


def commit(git: dict[str, Any]) -> str:
    return UNKNOWN if not git["commit"] else f"commit {git['commit'][:12]}{', and changes that are in none' if git['dirty'] else ''}"


def named(chosen: Any) -> str:
    """A part that params name, plainly or with options."""
    return str(chosen["name"] if isinstance(chosen, dict) and "name" in chosen else chosen)


def architecture(model: dict[str, Any]) -> str:
    encoders = "; ".join(f"{name}: {named(encoder)}" for name, encoder in sorted(model.get("encoders", {}).items()))
    fusion = model.get("fusion")
    return f"{encoders or UNKNOWN}{f'; fused by {named(fusion)}' if fusion else ''}"


def answers(context: Context) -> str:
    task, classes = context.summary["task"]["name"], context.schema.get("classes")
    return f"{task.replace('_', ' ')}{f', {len(classes):,} classes' if classes else ''}"


def missing(summary: dict[str, Any]) -> str:
    """The share of all rows that lack each modality."""
    total = sum(summary["rows"].values())
    names = sorted({name for shares in summary["coverage"].values() for name in shares})
    lack = {name: 1 - sum(found.get(name, 0) for found in summary["coverage"].values()) / max(1, total) for name in names}
    return ", ".join(f"{name} in {percent(share)} of the rows" for name, share in lack.items() if share > 0) or "nothing"
