"""What is taken for what?"""

import pandas as pd

from deconfuse.reporting import charts
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section | None:
    """None where a row has several classes."""
    classes, results = context.schema["classes"], context.results
    drawn = {result.name: chart for result in results if (chart := charts.mistakes(result, classes)) is not None}
    if not drawn:
        return None
    answers = [result.predictions[["actual", "predicted"]].assign(model=result.name) for result in results]
    keys = ["model", "actual", "predicted"]
    # by the models' order; of numbers, nearly every pair is there once
    table = pd.concat([one.groupby(keys, sort=True).size().rename("n").reset_index() for one in answers], ignore_index=True)
    heading = "Confusion matrices" if context.measure.is_share else "Predicted against actual"
    return Section("confusions", heading, context.render("confusions.html", mistakes=drawn), heading, {"confusions": table})
