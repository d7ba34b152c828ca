"""Which row is for training, for choosing the epoch (val) and for judging (test): the table's own division, and what it leaves open."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import SPLITS, Row
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.grouping import by_groups, groups, refuse_crossing, refuse_empty
from deconfuse.tasks import Task

BINS = 10
"""Parts of the range of numbers, each of which is divided alike."""
ENOUGH = 3
"""Rows of a class from which each split that is drawn gets one at least."""


@dataclass(frozen=True)
class Divided:
    """A split for each row."""

    splits: list[str]
    how: str
    """For the report, in words."""
    notes: list[str]
    """What was done that one may not expect."""


def divide(rows: Sequence[Row], options: Preprocess, task: Task) -> Divided:
    """The table's own splits; and val and test, where it has none, drawn from its train rows, each class alike.

    Rows without a split are train rows before val and test are drawn. A class of ENOUGH rows has one at least in each split that is
    drawn, and one of two rows is never without one in train. With `preprocess.group_by` no group is in two splits.

    Args:
        rows: all with labels that the task can read.
        options: the `preprocess:` section.
        task: says what classes a label names.

    Returns:
        The splits in the order of `rows`, which with the seed decides all draws. A split may stay empty where rows are too few.
        Raises UserError where there is nothing to draw from, or groups cannot be divided.
    """
    splits = [row.split or "train" for row in rows]
    own = [split for split in SPLITS if any(row.split == split for row in rows)]
    shares = wanted(rows, own, options)
    notes = open_rows(rows, own)
    pool = [place for place, split in enumerate(splits) if split == "train"]
    strata = layers([rows[place].label for place in pool], task)
    if options.group_by is None:
        drawn = by_rows(strata, shares, options.split.seed)
    else:
        values, remark = groups(rows, options.group_by)
        notes += remark
        refuse_crossing(values, splits, options.group_by)
        drawn = by_groups([values[place] for place in pool], strata, shares, options.split.seed)
        refuse_empty(drawn, shares, options.group_by)
    for place, split in zip(pool, drawn, strict=True):
        splits[place] = split
    return Divided(splits, in_words(own, shares, options, task), [*notes, *missed(drawn, shares)])


# ---------------------------------------------------------------- what is asked for


def wanted(rows: Sequence[Row], own: list[str], options: Preprocess) -> dict[str, float]:
    """The splits to draw from the train rows, and their shares of them."""
    if rows and "train" not in own and all(row.split for row in rows):
        raise UserError(
            f"no row is in the split 'train': all are in {' or '.join(own)}; name train rows in the column `split`, "
            "or leave its cells empty where a row may be for training"
        )
    # test first: where rows are few it is what must not be missing
    shares = {split: getattr(options.split, split) for split in ("test", "val") if split not in own}
    if sum(shares.values()) >= 1:
        raise UserError(f"preprocess.split: val {shares['val']:g} and test {shares['test']:g} leave nothing to train; make them smaller")
    return shares


def open_rows(rows: Sequence[Row], own: list[str]) -> list[str]:
    count = sum(not row.split for row in rows)
    return [f"{count:,} rows without a split were taken as rows of train"] if own and count else []


def in_words(own: list[str], shares: dict[str, float], options: Preprocess, task: Task) -> str:
    kept = f"{listed(own)} {'is' if len(own) == 1 else 'are'} the table's own" if own else ""
    if not shares:
        return kept
    drawn = listed(
        [f"{split} is {100 * share:.3g} % of {'train' if own else 'all rows'}" for split, share in sorted(shares.items(), reverse=True)]
    )
    alike = "each class alike" if task.has_classes else "over the whole range of numbers alike"
    if options.group_by is not None:
        alike = f"no {options.group_by} in two splits"
    return f"{kept}{'; ' if kept else ''}{drawn}, drawn by seed {options.split.seed}, {alike}"


def listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def missed(drawn: list[str], shares: dict[str, float]) -> list[str]:
    """A note for each share that was not met, because classes or groups are small."""
    counts = Counter(drawn)
    return [
        f"{split} has {counts[split] / len(drawn):.0%} of the rows it was drawn from, not {share:.0%}: classes or groups are small"
        for split, share in shares.items()
        if drawn and abs(counts[split] - share * len(drawn)) > max(2, 0.1 * share * len(drawn))
    ]


# ---------------------------------------------------------------- row by row


def layers(labels: list[str], task: Task) -> np.ndarray:
    """(N,) numbers of what is divided alike: a class, of several in one cell the rarest, of numbers a part of their range."""
    if not len(labels):
        return np.zeros(0, np.int64)
    if not task.has_classes:
        numbers = np.array([task.target(label, {}) for label in labels])
        bins = min(BINS, max(1, len(numbers) // BINS))
        # edges that are numbers of the table: means of two could overflow
        return np.searchsorted(np.quantile(numbers, np.arange(1, bins) / bins, method="inverted_cdf"), numbers)
    classes = {label: task.classes([label]) for label in set(labels)}
    counts = Counter(name for label in labels for name in classes[label])
    # the rarest class of a row has most to lose
    rarest = {label: min(names, key=lambda name: (counts[name], name)) for label, names in classes.items()}
    return np.unique([rarest[label] for label in labels], return_inverse=True)[1]


def by_rows(strata: np.ndarray, shares: dict[str, float], seed: int) -> list[str]:
    """A split for each row, each stratum alike."""
    drawn = np.full(len(strata), "train", "<U5")
    random = np.random.default_rng(seed)
    over = dict.fromkeys(shares, 0.0)
    order = np.argsort(strata, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
        members = random.permutation(members)
        for split, count in quotas(len(members), shares, over).items():
            drawn[members[:count]] = split
            members = members[count:]
    return drawn.tolist()


def quotas(size: int, shares: dict[str, float], over: dict[str, float]) -> dict[str, int]:
    """Rows that each split gets of `size`; what rounding leaves `over` counts for the next stratum, so that shares are met in all."""
    left = size - 1
    counts = {}
    for place, (split, share) in enumerate(shares.items()):
        due = share * size + over[split]
        least = int(size >= ENOUGH)
        after = least * (len(shares) - 1 - place)
        counts[split] = min(max(int(due + 0.5), least), max(left - after, 0))
        over[split] = min(max(due - counts[split], -0.5), 0.5)
        left -= counts[split]
    return counts
