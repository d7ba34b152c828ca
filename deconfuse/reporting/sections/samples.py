"""What do single rows look like, and what was said of them?"""

from deconfuse.reporting import gallery
from deconfuse.reporting.context import Context, Section


def make(context: Context) -> Section:
    results, options = context.results, context.options
    right, wrong = gallery.cards(list(gallery.draw(results, options.samples, options.seed)), results, context.root)
    judges = "model" if all(result.single for result in results) else "fusion"
    return Section("samples", "Samples", context.render("samples.html", right=right, wrong=wrong, judges=judges), "Samples")
