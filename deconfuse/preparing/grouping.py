"""Dividing by groups: rows of one speaker, patient or recording stay in one split."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from difflib import get_close_matches

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import Row


def groups(rows: Sequence[Row], column: str) -> tuple[list[str], list[str]]:
    """The group of each row, and notes; an empty cell is a group of its own. Raises UserError where there is no such column."""
    found = [{**row.others, **row.cells}.get(column) for row in rows]
    if None in found:
        known = sorted({name for row in rows for name in (*row.others, *row.cells)})
        close = get_close_matches(column, known, n=1)
        hint = f", did you mean `{close[0]}`?" if close else ""
        raise UserError(f"preprocess.group_by: the table has no column {column!r}{hint} (there are: {', '.join(known)})")
    empty = sum(not value for value in found)
    notes = [f"{empty:,} rows have no {column}: each is a group of its own"] if empty else []
    # a group's name starts with its column's sign, so that no value can be taken for the number of a row
    return [f"={value}" if value else f"#{place}" for place, value in enumerate(found)], notes


def refuse_crossing(values: list[str], splits: list[str], column: str) -> None:
    where: dict[str, dict[str, None]] = defaultdict(dict)
    for value, split in zip(values, splits, strict=True):
        where[value][split] = None
    crossing = [f"{value[1:]!r} in {' and '.join(found)}" for value, found in where.items() if len(found) > 1]
    if crossing:
        more = f" and {len(crossing) - 10:,} more" if len(crossing) > 10 else ""
        raise UserError(
            f"preprocess.group_by: the table's own splits share {len(crossing):,} groups of {column!r}: {', '.join(crossing[:10])}{more}; "
            "put each into one split, or take preprocess.group_by out"
        )


def by_groups(values: list[str], strata: np.ndarray, shares: dict[str, float], seed: int) -> list[str]:
    """A split for each row, no group in two: large groups first, each where it brings sizes and classes nearest to the shares."""
    sizes: dict[str, Counter[int]] = defaultdict(Counter)
    for value, stratum in zip(values, strata.tolist(), strict=True):
        # -1 stands for any row, so that a split's size counts as much as its mix of classes
        sizes[value].update((stratum, -1))
    names = list(sizes)
    order = sorted((names[place] for place in np.random.default_rng(seed).permutation(len(names))), key=lambda value: -sizes[value][-1])
    share = {"train": 1 - sum(shares.values()), **shares}
    held = {split: Counter() for split in share}
    total = Counter({**Counter(strata.tolist()), -1: len(strata)})
    left = Counter(stratum for counts in sizes.values() for stratum in counts)
    chosen = {}
    for turn, value in enumerate(order):
        counts = sizes[value]
        allowed = open_to(counts, held, left, len(order) - turn)
        best = min(allowed, key=lambda split: cost(counts, held[split], total, share[split]))
        chosen[value] = best
        held[best].update(counts)
        left.subtract(counts.keys())
    return [chosen[value] for value in values]


def open_to(counts: Counter[int], held: dict[str, Counter[int]], left: Counter[int], turns: int) -> list[str]:
    """The splits that a group may go to: an empty one, if the last groups are needed for those; train, if it would miss a class."""
    empty = [split for split, has in held.items() if not has]
    if len(empty) >= turns:
        return empty
    if any(left[stratum] == 1 and not held["train"][stratum] for stratum in counts):
        return ["train"]
    return list(held)


def cost(counts: Counter[int], has: Counter[int], total: Counter[int], share: float) -> float:
    """How much further from its share of each class a split is with a group than without: the change of chi-square."""
    return sum(
        count * (count + 2 * (has[stratum] - share * total[stratum])) / (share * total[stratum]) for stratum, count in counts.items()
    )


def refuse_empty(drawn: list[str], shares: dict[str, float], column: str) -> None:
    if drawn and not {"train", *shares} <= set(drawn):
        raise UserError(
            f"preprocess.group_by: the rows to divide have too few groups of {column!r} for {len(shares) + 1} splits "
            f"({', '.join(['train', *shares])}); choose a column with more values, or name the splits in the table"
        )
