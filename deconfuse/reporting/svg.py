"""Matplotlib's figures as inline SVG that follows the page's colours and fonts, in light and in dark."""

import io
import re
import warnings
from typing import Any

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.figure import Figure

# Colours that stand for a variable of style.css, put in its place once the chart is drawn.
INK, MUTED, RULE, SINGLE, FUSION, COUNT = (f"#00000{number}" for number in range(1, 7))
VARIABLES = {INK: "ink", MUTED: "muted", RULE: "rule", SINGLE: "single", FUSION: "fusion", COUNT: "count"}

# Any, since matplotlib's stubs want the keys as literals
STYLE: Any = {
    # text stays text: searchable, and in the page's own font
    "svg.fonttype": "none",
    # a `$` in a name is a dollar sign, not mathematics
    "text.parse_math": False,
    "font.size": 12,
    "text.color": INK,
    "axes.edgecolor": RULE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "grid.color": RULE,
    "grid.linewidth": 1,
    "axes.axisbelow": True,
    "lines.linewidth": 2,
}


def svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an SVG element with `label` for those who cannot see it; equal figures give equal bytes."""
    text = io.StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with rc_context(STYLE | {"svg.hashsalt": name}), warnings.catch_warnings():
        # the browser has the letters that matplotlib's own font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(text, format="svg", transparent=True, metadata=nothing)
    return Markup(adopt(text.getvalue(), label))


def adopt(text: str, label: str) -> str:
    """Fit matplotlib's SVG into a page: no XML head, no style sheet, no ids that would clash, the page's colours and font."""
    width, height = (float(size) for size in re.findall(r'viewBox="0 0 (\S+) (\S+)"', text)[0])
    body = text[text.index("</defs>") + len("</defs>") :]
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub(r'(<text style="[^"]*?)font-family: [^;"]*;? ?', r"\1", body)
    body = re.sub(r"(fill|stroke): (#00000[1-6])", lambda found: f"{found[1]}: var(--{VARIABLES[found[2]]})", body)
    head = f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" aria-label="{escape(label)}">'
    return head + body
