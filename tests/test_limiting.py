"""Which rows a limit keeps."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.limiting import spread

KEYS = st.lists(st.tuples(st.sampled_from(["train", "val", "test", ""]), st.sampled_from("abcde")), max_size=200)


@settings(deadline=None, derandomize=True, max_examples=150)
@given(KEYS, st.integers(1, 220), st.integers(1, 220))
def test_a_limit_keeps_so_many_in_order_and_a_larger_one_keeps_them_too(keys: list, one: int, two: int) -> None:
    small, large = spread(keys, min(one, two)), spread(keys, max(one, two))
    assert len(small) == min(one, two, len(keys))
    assert small == sorted(set(small))
    assert set(small) <= set(large)
    assert spread(keys, None) == list(range(len(keys)))


@settings(deadline=None, derandomize=True, max_examples=100)
@given(KEYS, st.integers(1, 220))
def test_every_group_keeps_two_or_its_share(keys: list, limit: int) -> None:
    sizes, kept = Counter(keys), Counter(keys[place] for place in spread(keys, limit))
    least = {key: min(2, size) for key, size in sizes.items()}
    if limit < sum(least.values()):
        assert all(kept[key] <= least[key] for key in sizes)
        return
    assert all(kept[key] >= least[key] for key in sizes)
    # no two groups are further apart in shares than by one row of each, but for those that the first two rows make large
    shares = {key: kept[key] / sizes[key] for key in sizes}
    for key in sizes:
        for other in sizes:
            if kept[key] > 2:
                assert (kept[key] - 1) / sizes[key] <= shares[other] + 1 / sizes[other] + 1e-9


def test_what_is_kept_comes_from_the_whole_table() -> None:
    # 1,000 speakers one after the other, one class: a limit of 10 must not stay with the first
    kept = spread([("train", "a")] * 1000, 10)
    assert kept[0] < 150
    assert kept[-1] > 850
    assert max(after - before for before, after in pairwise(kept)) < 250


def test_labels_that_are_all_different_are_taken_from_everywhere() -> None:
    kept = spread([("", str(number)) for number in range(1000)], 10)
    assert kept[0] < 150
    assert kept[-1] > 850


def test_large_groups_keep_more_after_the_first_two() -> None:
    keys = [("train", "a")] * 1000 + [("test", "a")] * 100 + [("test", "rare")] * 3
    for limit in (6, 110, 550):
        kept = Counter(keys[place] for place in spread(keys, limit))
        assert kept["test", "rare"] in ((2,) if limit < 550 else (2, 3))
        if limit > 6:
            assert 9 <= kept["train", "a"] / kept["test", "a"] <= 10.5
        else:
            assert kept == {("train", "a"): 2, ("test", "a"): 2, ("test", "rare"): 2}
