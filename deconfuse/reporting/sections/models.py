"""What are the models, and what did they cost?"""

from deconfuse.reporting.cards import model_card
from deconfuse.reporting.context import Context, Section
from deconfuse.reporting.settings import shared_and_own


def make(context: Context) -> Section:
    shared, own = shared_and_own(context.results, ("params", "environment", "git"))
    cards = {result.name: model_card(context, result) for result in context.results}
    return Section("models", "Models", context.render("models.html", shared=shared, own=own, cards=cards), "Models")
