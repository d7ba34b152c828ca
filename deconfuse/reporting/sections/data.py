"""What is the data?"""

from deconfuse.reporting.cards import data_card
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    return Section("data", "Data", context.render("data.html", facts=data_card(context)), "Data")
