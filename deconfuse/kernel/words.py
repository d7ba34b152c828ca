"""Counts, as messages and the report say them."""


def plural(number: int, thing: str) -> str:
    """A count of things: "1 row", "1,200 rows"."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
