"""How do the models see the test rows?"""

import numpy as np
import pandas as pd

from deconfuse.reporting import charts_clusters
from deconfuse.reporting.clusters import agreement, flattened, thinned
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.results import Result
from deconfuse.reporting.words import joined, markdown

FEWEST = 20
"""Test rows, below which a map shows nothing."""


def make(context: Context) -> Section | None:
    """None where a row has no single class, or there are too few rows."""
    classes, rows = context.schema["classes"], context.results[0].test["n"]
    if context.measure.key != "accuracy" or rows < max(FEWEST, 2 * len(classes)):
        return None
    table = pd.DataFrame([measured(context, result) for result in context.results])
    table = table.sort_values(["nmi", "model"], ascending=[False, True], ignore_index=True)
    best = context.chosen
    seen = mapped(context, best)
    chart = charts_clusters.plane(seen, best, classes)
    answer = said(table, len(classes))
    body = context.render("clusters.html", table=table.to_dict("records"), best=best, chart=chart, answer=answer, seen=seen)
    heading = "How do the models see the test rows?"
    return Section("clusters", heading, body, "Embedding map", {"clusters": table, "embedding_map": seen}, markdown(answer))


def embeddings(context: Context, result: Result) -> np.ndarray:
    """What the fusion of the best seed gives for the test rows (N, D)."""
    return np.load(context.root / "reports/models" / result.name / "embeddings.npy")


def measured(context: Context, result: Result) -> dict[str, object]:
    """A model's row of the table."""
    answers, points = context.answers(result, "test"), embeddings(context, result)
    kept = thinned(len(points))
    found = agreement(points[kept], answers["actual"].to_numpy()[kept], len(context.schema["classes"]))
    numbers = {name: round(value, 4) for name, value in found.items()}
    return {"model": result.name, "modalities": joined(result.modalities), **numbers, "n": len(kept), "seed": result.best_seed}


def mapped(context: Context, result: Result) -> pd.DataFrame:
    """Where each test row lies: id, actual, predicted, x, y."""
    answers, points = context.answers(result, "test"), embeddings(context, result)
    kept = thinned(len(points))
    x, y = flattened(points[kept]).T
    return answers.loc[kept, ["id", "actual", "predicted"]].assign(x=x.round(2), y=y.round(2)).reset_index(drop=True)


def said(table: pd.DataFrame, classes: int) -> str:
    """Whose clusters are most like the classes."""
    first, last = table.iloc[0], table.iloc[-1]
    text = f"Without any label, {classes} clusters of what {first['model']} makes of the test rows match the classes best"
    return f"{text} (adjusted Rand index {first['ari']:.2f}), those of {last['model']} least ({last['ari']:.2f}); 0 is chance, 1 is all."
