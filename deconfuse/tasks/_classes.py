"""What tasks with classes share: their order, and whether the train split has them all."""

from collections.abc import Iterable

from deconfuse.kernel.errors import UserError


def in_order(labels: Iterable[str]) -> list[str]:
    """Each label once: numbers by value and before words, so that 10 follows 9."""
    return sorted(set(labels), key=natural)


def natural(label: str) -> tuple[int, float, str]:
    try:
        return (0, float(label), label)
    except ValueError:
        return (1, 0.0, label)


def complete(classes: list[str], counts: list[int]) -> None:
    """Raise UserError where there are too few classes, or one has no training row."""
    if len(classes) < 2:
        raise UserError(f"all rows have the label {', '.join(map(repr, classes))}; a classifier needs two classes or more")
    unseen = [label for label, count in zip(classes, counts, strict=True) if not count]
    if unseen:
        more = f" and {len(unseen) - 10} more" if len(unseen) > 10 else ""
        raise UserError(
            f"no training row has the label {', '.join(unseen[:10])}{more}; add some, or take these rows out of the other splits"
        )
