"""How did the models learn?"""

import pandas as pd

from deconfuse.reporting import charts
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    drawn = {result.name: charts.curves(result) for result in context.results}
    table = pd.concat([pd.DataFrame({"model": result.name} | dict(result.history)) for result in context.results], ignore_index=True)
    return Section("curves", "Learning curves", context.render("curves.html", curves=drawn), "Learning curves", {"curves": table})
