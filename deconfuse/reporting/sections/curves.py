"""How did the models learn?"""

from deconfuse.reporting import charts
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    drawn = {result.name: charts.curves(result) for result in context.results}
    return Section("curves", "Learning curves", context.render("curves.html", curves=drawn), "Learning curves")
