"""Which model is best?"""

from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    return Section("leaderboard", "Leaderboard", context.render("leaderboard.html", rivals=context.verdicts.rival), "Leaderboard")
