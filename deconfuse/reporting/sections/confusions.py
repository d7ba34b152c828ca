"""What is taken for what?"""

from deconfuse.reporting import charts
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section | None:
    """None where a row has several classes."""
    classes = context.schema["classes"]
    drawn = {result.name: chart for result in context.results if (chart := charts.mistakes(result, classes)) is not None}
    if not drawn:
        return None
    heading = "Confusion matrices" if context.measure.is_share else "Predicted against actual"
    return Section("confusions", heading, context.render("confusions.html", mistakes=drawn), heading)
