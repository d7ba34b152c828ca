"""What is the data?"""

from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    return Section("data", "Data", context.render("data.html"), "Data")
