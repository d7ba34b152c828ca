"""Division of rows: the table's own, each class alike, and by groups."""

from collections import Counter, defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import check
from deconfuse.manifest import SPLITS, Row
from deconfuse.params.preprocess import Preprocess
from deconfuse.preparing.splitting import divide
from deconfuse.verdict import stop

CLASSES = part("tasks", "single_label")()
SHARES = {"val": 0.15, "test": 0.25}
examples = settings(deadline=None, derandomize=True, max_examples=100)


def table(labels: list[str], splits: list[str] | None = None, **columns: list[str]) -> list[Row]:
    splits = splits or [""] * len(labels)
    others = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)] or [{}] * len(labels)
    return [
        Row(place + 2, f"r{place}", split, label, {"image": f"{place}.png"}, other)
        for place, (label, split, other) in enumerate(zip(labels, splits, others, strict=True))
    ]


def settled(**options: Any) -> Preprocess:
    return check(options, Preprocess)


def by_class(labels: list[str], splits: list[str]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for label, split in zip(labels, splits, strict=True):
        counts[label][split] += 1
    return counts


# ---------------------------------------------------------------- the table's own


def test_the_tables_own_division_is_kept() -> None:
    own = ["test", "train", "val", "train"]
    found = divide(table(["a", "b", "a", "b"], own), settled(), CLASSES)
    assert (found.splits, found.how, found.notes) == (own, "train, val and test are the table's own", [])


@pytest.mark.parametrize(("named", "cut"), [("test", "val"), ("val", "test")])
def test_what_the_table_leaves_open_is_cut_out_of_train(named: str, cut: str) -> None:
    labels = [str(place % 4) for place in range(400)]
    own = [named if place < 100 else "train" for place in range(400)]
    found = divide(table(labels, own), settled(split=SHARES), CLASSES)
    assert found.splits[:100] == [named] * 100
    share = round(SHARES[cut] * 75)
    assert all(abs(count[cut] - share) <= 1 for count in by_class(labels[100:], found.splits[100:]).values())
    first = "train and test" if named == "test" else "train and val"
    assert found.how == f"{first} are the table's own; {cut} is {SHARES[cut] * 100:g} % of train, drawn by seed 0, each class alike"


def test_rows_without_a_split_are_rows_of_train() -> None:
    own = ["test"] * 50 + [""] * 150
    found = divide(table(["a", "b"] * 100, own), settled(), CLASSES)
    assert found.splits[:50] == ["test"] * 50
    assert Counter(found.splits[50:]).keys() == {"train", "val"}
    assert found.notes == ["150 rows without a split were taken as rows of train"]
    with pytest.raises(UserError, match="no row is in the split 'train': all are in val or test"):
        divide(table(["a", "b"], ["val", "test"]), settled(), CLASSES)


# ---------------------------------------------------------------- by rows


@examples
@given(st.lists(st.integers(0, 6).map(str), max_size=200), st.integers(0, 3), st.floats(0.05, 0.45), st.floats(0.05, 0.45))
def test_each_class_is_divided_alike(labels: list[str], seed: int, val: float, test: float) -> None:
    options = settled(split={"val": val, "test": test, "seed": seed})
    rows = table(labels)
    found = divide(rows, options, CLASSES)
    assert found == divide(rows, options, CLASSES)
    assert len(found.splits) == len(rows) and set(found.splits) <= set(SPLITS)
    for count in by_class(labels, found.splits).values():
        size = count.total()
        assert count["train"] >= 1
        if size >= 3:
            assert count["val"] and count["test"]
        for split, share in (("val", val), ("test", test)):
            # but for the one row that a small class always gives
            assert count[split] <= max(1, share * size + 1) and (size < 4 or count[split] >= min(share * size - 1, size / 3))
    if min(Counter(labels).values(), default=0) >= 3 and len(set(labels)) > 1:
        assert set(found.splits) == set(SPLITS)
        stop(labels, found.splits, CLASSES)


def test_shares_are_met_in_all_though_classes_are_small() -> None:
    # of five rows 15 % is less than one row: rounding alone would give every class one, or none
    labels = [str(place // 7) for place in range(700)]
    found = divide(table(labels), settled(split=SHARES), CLASSES)
    counts = Counter(found.splits)
    assert abs(counts["val"] - 105) <= 1 and abs(counts["test"] - 175) <= 1 and found.notes == []
    tiny = divide(table([str(place // 3) for place in range(300)]), settled(split=SHARES), CLASSES)
    assert Counter(tiny.splits) == {"train": 100, "val": 100, "test": 100}
    assert "val has 33% of the rows it was drawn from, not 15%: classes or groups are small" in tiny.notes


def test_another_seed_is_another_draw() -> None:
    rows = table(["a", "b"] * 100)
    draws = {tuple(divide(rows, settled(split={"seed": seed}), CLASSES).splits) for seed in range(5)}
    assert len(draws) == 5
    assert "drawn by seed 3" in divide(rows, settled(split={"seed": 3}), CLASSES).how


def test_numbers_are_divided_over_their_range() -> None:
    numbers = np.random.default_rng(0).lognormal(size=1000)
    found = divide(table([str(number) for number in numbers]), settled(split=SHARES), part("tasks", "regression")())
    assert found.how.endswith("over the whole range of numbers alike")
    splits = np.array(found.splits)
    for low, high in ((0, 0.1), (0.4, 0.5), (0.9, 1.0)):
        inside = (numbers >= np.quantile(numbers, low)) & (numbers <= np.quantile(numbers, high))
        assert abs((splits[inside] == "val").mean() - 0.15) < 0.02 and abs((splits[inside] == "test").mean() - 0.25) < 0.02
    assert set(divide(table(["-1.7e308", "1.7e308"] * 20), settled(), part("tasks", "regression")()).splits) == set(SPLITS)
    assert set(divide(table(["1.5"] * 20), settled(), part("tasks", "regression")()).splits) == set(SPLITS)


def test_rare_classes_of_several_in_a_cell_are_in_every_split() -> None:
    task = part("tasks", "multi_label")()
    labels = ["common", "common;often"] * 100 + ["rare;common"] * 2 + ["often;rare;common"]
    for seed in range(5):
        found = divide(table(labels), settled(split={"seed": seed}), task)
        assert Counter(split for label, split in zip(labels, found.splits, strict=True) if "rare" in label) == dict.fromkeys(SPLITS, 1)


def test_shares_that_leave_nothing() -> None:
    with pytest.raises(UserError, match=r"preprocess.split: val 0.5 and test 0.5 leave nothing to train"):
        divide(table(["a", "b"]), settled(split={"val": 0.5, "test": 0.5}), CLASSES)


# ---------------------------------------------------------------- by groups


@examples
@given(st.lists(st.tuples(st.integers(0, 8).map(str), st.integers(0, 2).map(str)), min_size=1, max_size=150), st.integers(0, 2))
def test_no_group_is_in_two_splits(cells: list[tuple[str, str]], seed: int) -> None:
    speakers, labels = [speaker for speaker, _ in cells], [label for _, label in cells]
    rows, options = table(labels, speaker=speakers), settled(group_by="speaker", split={"seed": seed})
    if len(set(speakers)) < 3:
        with pytest.raises(UserError, match="too few groups of 'speaker' for 3 splits"):
            divide(rows, options, CLASSES)
        return
    found = divide(rows, options, CLASSES)
    assert found == divide(rows, options, CLASSES)
    assert all(len(count) == 1 for count in by_class(speakers, found.splits).values())
    assert set(found.splits) == set(SPLITS)
    assert found.how.endswith("no speaker in two splits")


def test_groups_of_many_sizes_meet_the_shares_and_the_mix_of_classes() -> None:
    random = np.random.default_rng(0)
    weights = 1 / np.arange(1, 101)
    speakers = random.choice(100, 5000, p=weights / weights.sum()).astype(str).tolist()
    labels = [str(int(speaker) % 3 if random.random() < 0.7 else random.integers(3)) for speaker in speakers]
    found = divide(table(labels, speaker=speakers), settled(group_by="speaker", split=SHARES), CLASSES)
    counts = Counter(found.splits)
    assert abs(counts["val"] / 5000 - 0.15) < 0.02 and abs(counts["test"] / 5000 - 0.25) < 0.02
    for label, share in ((label, count / 5000) for label, count in Counter(labels).items()):
        for split in SPLITS:
            assert abs(by_class(found.splits, labels)[split][label] / counts[split] - share) < 0.03


def test_training_sees_a_class_of_one_group() -> None:
    speakers = [str(place // 10) for place in range(200)]
    labels = ["rare" if speaker == "7" else "often" for speaker in speakers]
    for seed in range(10):
        # a train split so small that the shares alone would send the group elsewhere
        options = settled(group_by="speaker", split={"seed": seed, "val": 0.45, "test": 0.45})
        found = divide(table(labels, speaker=speakers), options, CLASSES)
        assert found.splits[70] == "train"


def test_rows_without_a_group_are_groups_of_their_own() -> None:
    found = divide(table(["a", "b"] * 50, speaker=["ann"] * 20 + [""] * 80), settled(group_by="speaker"), CLASSES)
    assert len(set(found.splits[:20])) == 1 and set(found.splits[20:]) == set(SPLITS)
    assert found.notes[0] == "80 rows have no speaker: each is a group of its own"


def test_groups_may_be_a_modality() -> None:
    rows = [Row(place, str(place), "", "ab"[place % 2], {"image": f"{place // 4}.png", "text": "?"}) for place in range(80)]
    splits = divide(rows, settled(group_by="image"), CLASSES).splits
    assert all(len(set(splits[start : start + 4])) == 1 for start in range(0, 80, 4))


def test_groups_that_the_tables_own_splits_share() -> None:
    speakers = [str(place % 15) for place in range(60)]
    own = ["train"] * 30 + ["test"] * 30
    with pytest.raises(UserError) as error:
        divide(table(["a", "b"] * 30, own, speaker=speakers), settled(group_by="speaker"), CLASSES)
    assert "share 15 groups of 'speaker': '0' in train and test, '1' in train and test" in str(error.value)
    assert str(error.value).count(" in train and test") == 10 and "and 5 more" in str(error.value)
    apart = [str(place // 10) for place in range(60)]
    found = divide(table(["a", "b"] * 30, own, speaker=apart), settled(group_by="speaker"), CLASSES)
    assert found.splits[30:] == ["test"] * 30 and set(found.splits[:30]) == {"train", "val"}


def test_a_group_column_that_is_not_there() -> None:
    with pytest.raises(UserError, match=r"no column 'speakr', did you mean `speaker`\? \(there are: image, speaker, take\)"):
        divide(table(["a", "b"], speaker=["x", "y"], take=["1", "2"]), settled(group_by="speakr"), CLASSES)
