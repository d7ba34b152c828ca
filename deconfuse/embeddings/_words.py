"""Where words begin and end."""

import re

# letters and digits of any script, with an apostrophe or a hyphen inside; else one mark of punctuation at a time
WORD = re.compile(r"\w+(?:['\u2019-]\w+)*|[^\w\s]")


def split(text: str | None) -> list[str]:
    """The lower-cased words and punctuation marks of a text; none where it is missing."""
    return WORD.findall((text or "").lower())
