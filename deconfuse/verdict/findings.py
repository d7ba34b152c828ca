"""What a reader of the figures should know of a data set: one function a kind of finding."""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from deconfuse.manifest import SPLITS
from deconfuse.tasks import Task
from deconfuse.verdict.contents import MISSING, Contents
from deconfuse.verdict.duplicates import PAIRS, Leak, conflicts, leaks, repeated, shared
from deconfuse.verdict.near_duplicates import near

UNEQUAL = 10
"""Rows of the largest class to those of the smallest, from which accuracy hides the small ones."""
EXAMPLES = 3
OFTEN = 5
"""Rows of each content of a modality, from which it is no chance that all have one label."""


@dataclass(frozen=True)
class Finding:
    """What a reader of the figures should know."""

    code: str
    """`leak`, `shared_text`, `near_duplicate`, `conflict`, `disguise`, `spelling`, `constant`, `imbalance`, `untrained`, `absent`,
    `missing` or `duplicate`."""
    text: str
    """In words, with counts, examples and what to do."""
    rows: int
    """Rows that it is about."""


def leaked(contents: Contents, dropped: int, policy: str) -> Iterator[Finding]:
    done = (
        f"left out of train and val are {dropped:,} rows (preprocess.leaks: drop)"
        if policy == "drop"
        else ("scores there are too good; divide the table anew, or set preprocess.leaks to drop")
    )
    for leak in leaks(contents):
        what = "text of rows that have nothing else" if leak.what == "text" else leak.what
        yield Finding(
            "leak",
            f"the same {what} is in {SPLITS[leak.first]} and {SPLITS[leak.second]}: {met(contents, leak)}; {done}",
            int(leak.others.sum()),
        )


def met(contents: Contents, leak: Leak) -> str:
    """How many rows of the second split have what the first has, too."""
    total = int((contents.split == leak.second).sum())
    return f"{leak.others.sum():,} of {total:,} {SPLITS[leak.second]} rows ({examples(contents, leak.others)})"


def examples(contents: Contents, mask: np.ndarray) -> str:
    return "e.g. " + ", ".join(repr(contents.ids[row]) for row in np.flatnonzero(mask)[:EXAMPLES])


def near_duplicates(contents: Contents) -> Iterator[Finding]:
    for name in contents.looks:
        looks, code = contents.looks_of(name), contents.codes[name]
        for first, second in PAIRS:
            here = np.flatnonzero(contents.split == first)
            # what is equal is a leak, and said there
            there = np.flatnonzero((contents.split == second) & ~np.isin(code, code[here]))
            twin, complete = near(looks[there], looks[here])
            found = twin >= 0
            if found.any():
                pairs = [f"{contents.ids[there[k]]!r} and {contents.ids[here[twin[k]]]!r}" for k in np.flatnonzero(found)[:EXAMPLES]]
                only = "" if complete else " (of so many pictures only those with equal hashes were looked for)"
                yield Finding(
                    "near_duplicate",
                    f"{name}: {found.sum():,} pictures of {SPLITS[second]} look like one of {SPLITS[first]}{only}, "
                    f"e.g. {'; '.join(pairs)}; if they are copies, keep them in one split (preprocess.group_by)",
                    int(found.sum()),
                )


def conflicting(contents: Contents, task: Task) -> Iterator[Finding]:
    # the order of several classes in a cell makes no difference
    meaning = {label: tuple(task.classes([label])) or label for label in set(contents.labels)}
    found = conflicts(contents, [meaning[label] for label in contents.labels])
    if found.any():
        yield Finding(
            "conflict",
            f"{found.sum():,} rows have the same content as another row but a different label ({examples(contents, found)}); "
            "no model can be right on all of them: mend the labels, or take these rows out",
            int(found.sum()),
        )


def absences(contents: Contents) -> Iterator[Finding]:
    """Modalities that train or another split never has, or that most rows lack."""
    for name, there in zip(contents.kinds, contents.present.T, strict=True):
        without = [split for place, split in enumerate(SPLITS) if not there[contents.split == place].any()]
        lacking = int((~there).sum())
        if "train" in without:
            yield Finding(
                "untrained", f"no row of train has {name}: no model can learn from it; take it out of data.columns.modalities", lacking
            )
            continue
        if without:
            yield Finding("absent", f"no row of {' or '.join(without)} has {name}: what it adds cannot be seen there", lacking)
        if lacking * 2 > len(there):
            yield Finding(
                "missing",
                f"{name} is missing in {lacking:,} of {len(there):,} rows ({lacking / len(there):.0%}); "
                "compare models on the rows that have it, too, and check the column's paths if you expected more",
                lacking,
            )


def constants(contents: Contents) -> Iterator[Finding]:
    for name, code in contents.codes.items():
        present = code[code != MISSING]
        if len(present) > 1 and (present == present[0]).all():
            yield Finding(
                "constant",
                f"{name} is the same in all {len(present):,} rows that have it: it tells nothing; check the column, or leave it out",
                len(present),
            )


def disguises(contents: Contents, task: Task) -> Iterator[Finding]:
    """Modalities of few contents, each of which goes with one label alone: the spoken word's transcript, where the word is the label."""
    answers = np.unique(contents.labels, return_inverse=True)[1]
    for name, code in contents.codes.items():
        there = code != MISSING
        held = np.unique(code[there])
        pairs = np.unique(np.stack([code[there], answers[there]]), axis=1)
        often = there.sum() >= OFTEN * len(held)
        if task.has_classes and len(held) > 1 and often and pairs.shape[1] == len(held):
            yield Finding(
                "disguise",
                f"{name} has only {len(held):,} different contents in {there.sum():,} rows, and each goes with one label alone: it may be "
                "the label in other words, and its figures say nothing; if so, leave it out",
                int(there.sum()),
            )


def spellings(contents: Contents, task: Task) -> Iterator[Finding]:
    variants: dict[str, list[str]] = {}
    for label in class_counts(contents.labels, task):
        plain = unicodedata.normalize("NFKC", label).casefold()
        variants.setdefault("".join(letter for letter in plain if letter.isalnum()) or plain, []).append(label)
    found = [sorted(names) for names in variants.values() if len(names) > 1]
    if found:
        first = "; ".join(map(listed, found[:EXAMPLES]))
        yield Finding(
            "spelling",
            f"labels that differ in case, spaces or punctuation alone count as different classes: {first}; "
            "if they mean the same, write them alike",
            sum(label in names for names in found for label in contents.labels),
        )


def listed(names: list[str]) -> str:
    return " and ".join(map(repr, names))


def imbalance(contents: Contents, task: Task) -> Iterator[Finding]:
    train = (label for label, split in zip(contents.labels, contents.splits, strict=True) if split == "train")
    counts = class_counts(train, task).most_common()
    if counts and counts[0][1] >= UNEQUAL * counts[-1][1]:
        (most, many), (least, few) = counts[0], counts[-1]
        yield Finding(
            "imbalance",
            f"of the training rows {many:,} have the label {most!r} and {few:,} {least!r}; "
            "judge by balanced accuracy or macro F1, and try train.class_weights: balanced",
            few,
        )


def shared_texts(contents: Contents) -> Iterator[Finding]:
    for name, kind in contents.kinds.items():
        if kind == "text":
            for leak in shared(name, np.where(contents.media, contents.codes[name], MISSING), contents.split):
                yield Finding(
                    "shared_text",
                    f"the same {name} is in {SPLITS[leak.first]} and {SPLITS[leak.second]}: {met(contents, leak)}; "
                    f"to be expected of questions and commands, not of captions: if each should be new, set preprocess.group_by: {name}",
                    int(leak.others.sum()),
                )


def duplicated(contents: Contents) -> Iterator[Finding]:
    again = repeated(contents)
    if again.any():
        yield Finding(
            "duplicate",
            f"{again.sum():,} rows repeat the content of an earlier row of their split ({examples(contents, again)}); "
            "they count more than others: take them out, unless that is meant",
            int(again.sum()),
        )


def class_counts(labels: Iterable[str], task: Task) -> Counter[str]:
    """Rows of each class; none of numbers."""
    counts: Counter[str] = Counter()
    for label, rows in Counter(labels).items():
        counts.update(dict.fromkeys(task.classes([label]), rows))
    return counts
