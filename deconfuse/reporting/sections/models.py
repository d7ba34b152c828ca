"""What are the models, and what did they cost?"""

from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.settings import shared_and_own


def make(context: Context) -> Section:
    shared, own = shared_and_own(context.results, ("params", "environment", "git"))
    return Section("models", "Models", context.render("models.html", shared=shared, own=own), "Models")
