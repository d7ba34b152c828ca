"""Numbers, units and data text as the page writes them."""

import re
import unicodedata

from markupsafe import Markup

BIDI = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that turn the direction of what follows."""


def plain(text: str) -> str:
    """`text` without what no page can hold: control characters and half characters (surrogates) become U+FFFD."""
    return "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" else c for c in text)


def short(text: str, most: int) -> str:
    """`text` on one line in at most `most` characters, with an ellipsis where it was cut."""
    line = " ".join(plain(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def breakable(name: str) -> Markup:
    """A name, escaped, that may break over lines after its underscores."""
    return Markup("_<wbr>").join(plain(name).split("_"))


def percent(share: float) -> str:
    """0.8125 as "81.2 %" (with a no-break space)."""
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def span(low: float, high: float) -> str:
    """Two shares as an interval in percent: "78.0 to 84.1"."""
    return f"{100 * low:.1f} to {100 * high:.1f}"


def points(difference: float) -> str:
    """A difference of shares in points, with its sign: "+12.7", "−0.4", "0.0"."""
    value = round(100 * difference, 1)
    return "0.0" if value == 0 else f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def number(value: float) -> str:
    """A number in the labels' unit, with four digits that count: "0.01235", "1,235"."""
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}" if abs(value) < 1e9 else f"{value:.4g}"


def signed(value: float) -> str:
    """A difference of such numbers, with its sign: "+0.1235", "−3"."""
    return f"{'+' if value > 0 else ''}{number(value)}".replace("-", "\N{MINUS SIGN}")


def count(number: float) -> str:
    """A large number with its thousands set apart: "12,345"."""
    return f"{number:,.0f}"


def scaled(number: float) -> str:
    """A large number with three digits that count and the prefix of a unit, before which it stands: "1.42 M", "980 k", "0 "."""
    for prefix, size in (("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * size:
            return f"{number / size:.3g}\N{NO-BREAK SPACE}{prefix}"
    return f"{number:.3g}\N{NO-BREAK SPACE}"


def seconds(value: float) -> str:
    """A duration: "8.4 s", "3 min 20 s", "2 h 05 min"."""
    if value < 59.95:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def seeds(each: list[list[int]]) -> str:
    """How often the models were trained: "once", "with 3 seeds each (0, 1, 2)", "with 1 to 3 seeds"."""
    numbers = sorted({len(seeds) for seeds in each})
    if numbers == [1]:
        return "once"
    if len(numbers) > 1:
        return f"with {numbers[0]} to {numbers[-1]} seeds"
    is_same = all(seeds == each[0] for seeds in each)
    return f"with {numbers[0]} seeds each" + (f" ({', '.join(map(str, each[0]))})" if is_same else "")


def of_best(each: dict[str, int]) -> str:
    """Which seed of each model that has several is shown: "Of each model the seed with the lowest validation loss: 1 of concat. "."""
    told = ", ".join(f"{seed} of {name}" for name, seed in each.items())
    return f"Of each model the seed with the lowest validation loss: {told}. " if told else ""


def markdown(text: str) -> str:
    """Text as GitHub's Markdown shows it literally, on one line: no markup, link, mention or column of a table comes of it."""
    line = " ".join(plain(text).translate(dict.fromkeys(BIDI)).split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    # what begins a heading, a line under one, or a list, does so at a line's start only
    line = re.sub(r"([\\`*_{}\[\]|~$]|:(?=//)|^[-+=#](?=[-=#\s]|$))", r"\\\1", line)
    line = re.sub(r"^(\d+)(?=[.)](\s|$))", r"\1\\", line)
    # GitHub looks for these after the markup: an invisible joiner keeps them apart
    return re.sub(r"(?i)([@#](?=\w)|www(?=\.))", "\\1\N{WORD JOINER}", line)


def listed(names: list[str]) -> str:
    """Names as a list in words: "a", "a and b", "a, b and c"."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def probability(p: float) -> str:
    """A p value: "0.034", "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.0995 else f"{p:.2f}"


def joined(names: list[str]) -> str:
    """Names of modalities as one phrase: "audio + image"."""
    return " + ".join(names)


def enumerated(parts: list[str], word: str = "and") -> str:
    """Parts of a sentence: "a", "a and b", "a, b and c"."""
    return f" {word} ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))
