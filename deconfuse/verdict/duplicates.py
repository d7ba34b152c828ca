"""Equal content: in two splits (leaks), under two labels, or twice in one split."""

from collections.abc import Iterator
from itertools import combinations
from typing import Literal, NamedTuple

import numpy as np

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import SPLITS
from deconfuse.verdict.contents import MISSING, Contents

PAIRS = list(combinations(range(len(SPLITS)), 2))
"""(train, val), (train, test), (val, test) by their places in SPLITS: what the second has, the first must not."""
SHOWN = 10
"""Pairs of rows that an error names."""


class Leak(NamedTuple):
    """Content that is in two splits."""

    what: str
    """The modality, or "text" for rows that have nothing else."""
    code: np.ndarray
    """(N,) numbers that are equal where that content is equal."""
    first: int
    """Place in SPLITS of the split that must not have it."""
    second: int
    rows: np.ndarray
    """(N,) whether a row of `first` has content that is in `second`, too."""
    others: np.ndarray
    """(N,) whether a row of `second` has content that is in `first`, too."""


def leaks(contents: Contents) -> Iterator[Leak]:
    """Every modality of pictures, sounds or clips and every pair of splits that share some; and rows of nothing but text."""
    for name, kind in contents.kinds.items():
        if kind != "text":
            yield from shared(name, contents.codes[name], contents.split)
    yield from shared("text", np.where(contents.media, MISSING, contents.whole), contents.split)


def shared(what: str, code: np.ndarray, split: np.ndarray) -> Iterator[Leak]:
    """Pairs of splits with equal content; `code` (N,) is MISSING for rows that do not count."""
    counts = code != MISSING
    # (contents, splits): which content is where
    where = np.zeros((int(code.max(initial=MISSING)) + 1, len(SPLITS)), bool)
    where[code[counts], split[counts]] = True
    for first, second in PAIRS:
        in_both = where[:, first] & where[:, second]
        if in_both.any():
            hit = counts & np.append(in_both, False)[code]
            yield Leak(what, code, first, second, hit & (split == first), hit & (split == second))


def leaking(contents: Contents, policy: Literal["error", "drop", "keep"]) -> np.ndarray:
    """The rows (N,) to leave out by `preprocess.leaks`: those of train that are in val or test, and those of val that are in test.

    Raises UserError where there are leaks and the policy is `error`.
    """
    out = np.zeros(len(contents.ids), bool)
    found = [] if policy == "keep" else list(leaks(contents))
    if found and policy == "error":
        raise UserError(refusal(contents, found))
    for leak in found:
        out |= leak.rows
    return out


def refusal(contents: Contents, found: list[Leak]) -> str:
    counts = "; ".join(counted(leak) for leak in found)
    first = "\n".join([f"  {one}" for leak in found for one in named_pairs(contents, leak, SHOWN)][:SHOWN])
    return (
        f"the same content is in two splits: {counts}; the first of them:\n{first}\n"
        "divide the table so that it is not, or set preprocess.leaks to drop (leaves them out of train and val) or keep"
    )


def counted(leak: Leak) -> str:
    first, second = SPLITS[leak.first], SPLITS[leak.second]
    return f"{leak.what} of {leak.rows.sum():,} {first} and {leak.others.sum():,} {second} rows"


def named_pairs(contents: Contents, leak: Leak, most: int) -> list[str]:
    """Ids of rows of the second split and one of the first with the same content."""
    rows = np.flatnonzero(leak.rows)
    partner = dict(zip(leak.code[rows].tolist(), rows.tolist(), strict=True))
    first, second = SPLITS[leak.first], SPLITS[leak.second]
    return [
        f"{leak.what}: {contents.ids[row]!r} of {second} is {contents.ids[partner[int(leak.code[row])]]!r} of {first}"
        for row in np.flatnonzero(leak.others)[:most]
    ]


def conflicts(contents: Contents, labels: list[object]) -> np.ndarray:
    """(N,) whether another row has the same content in all modalities and another label."""
    places: dict[object, int] = {}
    label = np.array([places.setdefault(one, len(places)) for one in labels], np.int64)
    if not len(label):
        return np.zeros(0, bool)
    size = int(contents.whole.max()) + 1
    least, most = np.full(size, len(places)), np.full(size, -1)
    np.minimum.at(least, contents.whole, label)
    np.maximum.at(most, contents.whole, label)
    return (least < most)[contents.whole]


def repeated(contents: Contents) -> np.ndarray:
    """(N,) whether an earlier row of the same split has the same content in all modalities."""
    _, first = np.unique(contents.whole * len(SPLITS) + contents.split, return_index=True)
    again = np.ones(len(contents.ids), bool)
    again[first] = False
    return again
