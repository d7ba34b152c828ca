"""Differences and their p values against references, and how often they find what is not there."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from deconfuse.reporting.comparisons import verdict
from deconfuse.reporting.differences import alone, bootstrapped, compared, welch
from deconfuse.reporting.measures import ALL, Measure
from deconfuse.reporting.significance import flipped, holm, mcnemar, swapped

MEASURES = {measure.key: measure for measure in ALL}


# ---------------------------------------------------------------- references


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (5, 5), (3, 12), (40, 18), (700, 800)])
def test_mcnemar_is_the_binomial_test(gained: int, lost: int) -> None:
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(gained, lost) == mcnemar(lost, gained) == pytest.approx(expected, abs=1e-12)


def test_flipped_signs_agree_with_all_of_them() -> None:
    gains = np.array([1, 1, 2, 2, 3, -1, 0, 1, 2, -2, 3]) / 3
    found = stats.permutation_test((gains, np.zeros(11)), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=10_000)
    assert found.null_distribution.size == 2**11, "all of them"
    assert flipped(gains, 0) == pytest.approx(found.pvalue, abs=0.02)
    assert flipped(-gains, 0) == flipped(gains, 0)
    assert flipped(np.zeros(5), 0) == 1


@pytest.mark.parametrize("key", ["micro_f1", "rmse"])
def test_swapped_rows_agree_with_all_swaps(key: str) -> None:
    draw, figure = np.random.default_rng(1), MEASURES[key].figure
    both = np.stack([np.full(20, 3.0), draw.random(20) * np.repeat([1, 2], 10)], 1)

    def statistic(x: np.ndarray, y: np.ndarray) -> float:
        return float(figure(both[x].sum(0)) - figure(both[y].sum(0)))

    places = np.arange(20)
    found = stats.permutation_test((places[:10], places[10:]), statistic, permutation_type="samples", n_resamples=10_000)
    assert found.null_distribution.size == 2**10
    assert swapped(both[:10], both[10:], figure, 0) == pytest.approx(found.pvalue, abs=0.02)


def test_holm_by_hand() -> None:
    # the smallest times 4, the next times 3 ..., none below the one before (Holm 1979)
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([0.03]) == [0.03] and holm([]) == []


def test_paired_bootstrap_agrees_with_resampling_row_by_row() -> None:
    rng = np.random.default_rng(3)
    gains = (rng.random(200) < 0.8).astype(float) - (rng.random(200) < 0.7)
    rows = rng.integers(200, size=(20_000, 200))
    low, high = np.quantile(gains[rows].mean(axis=1), [0.025, 0.975])
    assert bootstrapped(gains, 20_000, 0) == pytest.approx((low, high), abs=0.01)


def test_paired_bootstrap_of_means_agrees_with_resampling_row_by_row() -> None:
    rng, measure = np.random.default_rng(4), MEASURES["accuracy"]
    one, other = (terms(rng.random((3, 40)) < share) for share in (0.7, 0.6))
    found = compared(measure, one, other, 20_000, 0)
    rows = rng.integers(40, size=(20_000, 40))
    gains = one[..., 1].mean(0) - other[..., 1].mean(0)
    low, high = np.quantile(gains[rows].mean(1), [0.025, 0.975])
    assert (found.value, found.low, found.high) == pytest.approx((gains.mean(), low, high), abs=0.01)
    # what holds for shares by a short way must hold by the long one, too
    draws = measure.differences(one, other, 20_000, 0)
    assert tuple(np.quantile(draws, [0.025, 0.975])) == pytest.approx((low, high), abs=0.01)
    assert swapped(one.mean(0), other.mean(0), measure.figure, 0) == pytest.approx(found.p, abs=0.02)


def test_the_interval_over_seeds_of_a_difference_is_welchs() -> None:
    one, other = np.array([0.81, 0.84, 0.80, 0.90]), np.array([0.70, 0.76])
    found = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.95)
    assert welch(one, other) == pytest.approx((found.high - found.low) / 2)
    assert welch(one, np.array([0.7])) is None and welch(np.array([0.5, 0.5]), np.array([0.4, 0.4])) == 0
    sure = stats.ttest_1samp(one, 0.7).confidence_interval(0.95)
    assert alone(one) == pytest.approx((sure.high - sure.low) / 2) and alone(one[:1]) is None


# ---------------------------------------------------------------- planted truths


def terms(right: np.ndarray) -> np.ndarray:
    return np.stack([np.ones(right.shape), right], -1).astype(float)


def test_one_training_of_rows_right_or_wrong_is_mcnemars() -> None:
    right, other = np.arange(40) < 30, np.arange(40) % 4 > 0
    found = compared(MEASURES["accuracy"], terms(right[None]), terms(other[None]), 500, 0)
    assert (found.test, found.value) == ("McNemar, exact", 0)
    assert found.p == mcnemar(int((right & ~other).sum()), int((other & ~right).sum()))
    assert compared(MEASURES["accuracy"], terms(right[None]), terms(np.stack([other] * 2)), 500, 0).test == "paired permutation"


def test_against_what_has_no_luck_of_training_the_models_own_luck_counts() -> None:
    one, other = terms(np.arange(50) < np.array([[30], [34], [38]])), terms(np.arange(50)[None] < 20)
    assert compared(MEASURES["accuracy"], one, other, 500, 0, is_fixed=True).half == pytest.approx(alone(np.array([0.6, 0.68, 0.76])))
    assert compared(MEASURES["accuracy"], one, other, 500, 0).half is None, "one training of a network tells nothing of its luck"


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("key", MEASURES)
def test_identical_models_show_nothing(key: str, seeds: int) -> None:
    same = np.random.default_rng(0).integers(1, 3, (seeds, 50, 2)).astype(float)
    found = compared(MEASURES[key], same, same, 500, 0)
    assert (found.value, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert verdict(MEASURES[key], found, found.p) == "not shown"


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("key", MEASURES)
def test_a_clear_difference_is_shown_and_its_sign_is_right(key: str, seeds: int) -> None:
    good, bad = (simulated(key, seeds, 300, np.random.default_rng(number), skill) for number, skill in enumerate((2.0, 0.0)))
    for one, other, said in ((good, bad, "better"), (bad, good, "worse")):
        found = compared(MEASURES[key], one, other, 500, 0)
        assert verdict(MEASURES[key], found, found.p) == said
        assert verdict(MEASURES[key], found, 0.06) == "not shown", "corrected for others it may not suffice"


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize(("key", "sizes"), [("accuracy", (40, 150, 450, 2000)), ("micro_f1", (40, 100)), ("rmse", (40, 100))])
def test_of_200_comparisons_of_equals_at_most_7_percent_show_a_difference(key: str, sizes: tuple[int, ...], seeds: int) -> None:
    """Equal skill, finite rows; each comparison alone, so that no correction shelters it."""
    draw, measure, wrong = np.random.default_rng(21), MEASURES[key], 0
    for number in range(200):
        rows, skill = sizes[number % len(sizes)], (0.0, 1.0, 2.0, 3.0)[number // 4 % 4]
        one, other = (simulated(key, seeds, rows, draw, skill) for _ in range(2))
        found = compared(measure, one, other, 500, number)
        wrong += verdict(measure, found, found.p) != "not shown"
    assert wrong <= 14


def simulated(key: str, seeds: int, rows: int, draw: np.random.Generator, skill: float) -> np.ndarray:
    """The terms (S, N, F) of a model whose rows differ in difficulty, and, of several seeds, whose trainings differ in luck."""
    luck = draw.normal(0, 0.3, (seeds, 1)) if seeds > 1 else 0.0
    odds = skill + draw.normal(0, 1, rows) + luck + np.zeros((seeds, rows))
    if key == "rmse":
        return np.stack([np.ones(odds.shape), (draw.normal(size=odds.shape) * np.exp(-odds / 2)) ** 2], -1)
    share = 1 / (1 + np.exp(-odds))
    if key == "accuracy":
        return terms(draw.random(odds.shape) < share)
    hits = draw.binomial(3, share)
    return np.stack([np.full(odds.shape, 6.0), 2.0 * hits], -1)


def test_a_difference_that_trainings_could_make_is_not_shown() -> None:
    """Over rows both are better; over seeds one of them varies too much."""
    measure: Measure = MEASURES["accuracy"]
    plain = terms(np.arange(200) < np.array([[100], [98], [102]]))
    for shares, said in (([160, 158, 162], "better"), ([105, 195, 195], "not shown")):
        found: Any = compared(measure, terms(np.arange(200) < np.array(shares)[:, None]), plain, 500, 0)
        assert found.low > 0 and found.p < 0.001
        assert verdict(measure, found, found.p) == said
