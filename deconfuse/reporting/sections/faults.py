"""What is wrong with the data?"""

import numpy as np
import pandas as pd

from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.gallery import read_manifest
from deconfuse.reporting.label_errors import suspects
from deconfuse.reporting.results import Result
from deconfuse.reporting.slices import worst
from deconfuse.reporting.words import markdown, percent, short

SHOWN = 10
OTHER = "table:"
LEVEL = 0.05


def make(context: Context) -> Section:
    best = context.chosen
    has_classes = context.measure.key == "accuracy"
    wrong = labels(context, best) if has_classes else None
    pairs = confused(context.answers(best, "test")) if has_classes else None
    slices = worst(properties(context, best), scores(best))
    sentences = [*about_labels(wrong, context, best), *about_slices(slices, best)]
    tables = {"label_errors": wrong, "confused_pairs": pairs, "slices": slices}
    body = context.render(
        "faults.html",
        best=best,
        sentences=sentences,
        wrong=None if wrong is None else wrong.head(SHOWN).to_dict("records"),
        suspected=0 if wrong is None else len(wrong),
        pairs=None if pairs is None else pairs.head(SHOWN).to_dict("records"),
        slices=slices[slices["score"] < slices["rest"]].head(SHOWN).to_dict("records"),
        looked=len(slices),
        neighbours=[one for one in context.summary["warnings"] if one["code"] in ("leak", "near_duplicate", "shared_text", "conflict")],
        level=LEVEL,
        short=short,
    )
    kept = {name: table for name, table in tables.items() if table is not None}
    return Section("faults", "What is wrong with the data?", body, "Data problems", kept, markdown(" ".join(sentences)))


def labels(context: Context, result: Result) -> pd.DataFrame:
    """Likely label errors among the rows that the model has not learnt from."""
    held = {split: context.answers(result, split) for split in ("val", "test")}
    splits = np.repeat(list(held), [len(rows) for rows in held.values()])
    return suspects(pd.concat(held.values(), ignore_index=True), splits, context.schema["classes"])


def confused(answers: pd.DataFrame) -> pd.DataFrame:
    """Which class is taken for which, most often first: actual, predicted, n, of (rows of the actual class), share."""
    wrong = answers[answers["actual"] != answers["predicted"]]
    found = wrong.groupby(["actual", "predicted"]).size().rename("n").reset_index()
    # of no confusion at all pandas would make a column of texts
    found["of"] = found["actual"].map(answers["actual"].value_counts()).astype(int)
    found["share"] = (found["n"] / found["of"]).round(4)
    return found.sort_values(["n", "share", "actual", "predicted"], ascending=[False, False, True, True], ignore_index=True)


def properties(context: Context, result: Result) -> pd.DataFrame:
    """What groups the test rows: their class, which modalities are there, how long texts are, and all other columns of the table."""
    manifest = read_manifest(context.root / "data/raw/manifest.csv").loc[result.predictions.index]
    found = {"label": manifest["label"]} if context.measure.is_share else {}
    for name, told in sorted(context.schema["modalities"].items()):
        found[f"{name} is there"] = manifest[name].map(lambda cell: "yes" if cell else "no")
        if told["kind"] == "text":
            found[f"characters of {name}"] = manifest[name].str.len().astype(str)
    found |= {name.removeprefix(OTHER): manifest[name] for name in manifest if name.startswith(OTHER)}
    return pd.DataFrame(found)


def scores(result: Result) -> np.ndarray:
    """How good the best seed is on each test row, larger is better: 0 or 1, or less its error."""
    if result.measure.is_share:
        return result.right.astype(float)
    actual, predicted = (result.predictions[column].astype(float) for column in ("actual", "predicted"))
    return -(actual - predicted).abs().to_numpy()


def about_labels(wrong: pd.DataFrame | None, context: Context, best: Result) -> list[str]:
    if wrong is None:
        return []
    held = best.val["n"] + best.test["n"]
    if wrong.empty:
        return [f"None of the {held:,} validation and test rows looks mislabelled to {best.name}."]
    first = wrong.iloc[0]
    named = f"first of all {first['id']}, labelled {first['labelled']}, which it takes for {first['suggested']}"
    return [
        f"{len(wrong):,} of the {held:,} validation and test rows may be mislabelled, to judge by {best.name}: {named}.",
        f"Look at them: where it errs itself ({percent(1 - best.value)} of the test rows) it suspects right labels, too.",
    ]


def about_slices(slices: pd.DataFrame, best: Result) -> list[str]:
    if slices.empty:
        return ["The test rows have no groups large enough to be looked at."]
    shown = slices[slices["p_holm"] < LEVEL]
    if shown.empty:
        return [f"Of {len(slices)} groups of test rows, none is shown to be worse than the rest."]
    first = shown.iloc[0]
    where = f"{'worst ' if len(shown) > 1 else ''}where {first['column']} is {first['value']}"
    measured = f"{percent(first['score'])} right against {percent(first['rest'])}" if best.measure.is_share else "by its mean error"
    told = f"{best.name} is shown to be worse on {len(shown)}: {where} ({measured}, n = {first['n']})"
    return [f"Of {len(slices)} groups of test rows {told}."]
