"""Which model is best?"""

from deconfuse.reporting.answer import against
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    found = against(context.results, context.options.bootstrap, context.options.seed)
    return Section("leaderboard", "Leaderboard", context.render("leaderboard.html", against=found), "Leaderboard")
