"""Figures against scikit-learn's on many random cases, and their intervals against what they promise."""

import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from clone import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from deconfuse.kernel.lookup import part
from deconfuse.metrics import Metrics
from deconfuse.metrics._bootstrap import GROUPS, grouped, intervals
from deconfuse.metrics._ranks import auroc, average_precision

SHARES = ("accuracy", "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "auroc")
seeds = st.integers(0, 2**32 - 1)


def made(task: str) -> Metrics:
    return part("metrics", task)()


def bounds(task: str, target: np.ndarray, *predicted: np.ndarray, resamples: int = 1000) -> dict[str, tuple[float, float]]:
    metrics = made(task)
    return metrics.bounds(np.stack([metrics.parts(target, one) for one in predicted]), resamples)


def classes(draw: np.random.Generator, rows: int, number: int, steps: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which some classes may lack, and probabilities that often tie where they are rounded to `steps`."""
    target = draw.integers(0, draw.integers(1, number + 1), rows)
    shares = draw.dirichlet(np.ones(number), rows) + np.eye(number)[target] * draw.random((rows, 1))
    shares = shares if steps is None else np.round(steps * shares) + 1e-3
    return target, shares / shares.sum(1, keepdims=True)


# ---------------------------------------------------------------- against scikit-learn


@settings(deadline=None, max_examples=60)
@given(seed=seeds, rows=st.integers(1, 40), number=st.integers(2, 6), steps=st.sampled_from([None, 2, 5]))
def test_figures_of_classes_are_scikit_learns(seed: int, rows: int, number: int, steps: int | None) -> None:
    target, shares = classes(np.random.default_rng(seed), rows, number, steps)
    said, every, truth = shares.argmax(1), np.arange(number), np.eye(number)[target]
    found = made("single_label").figures(target, shares)
    there = [one for one in every if truth[:, one].any()]
    assert found["n"] == rows
    assert found["accuracy"] == pytest.approx(reference.accuracy_score(target, said))
    assert found["balanced_accuracy"] == pytest.approx(reference.recall_score(target, said, labels=there, average="macro", zero_division=0))
    for name, function in (("precision", reference.precision_score), ("recall", reference.recall_score), ("f1", reference.f1_score)):
        assert found[f"macro_{name}"] == pytest.approx(function(target, said, labels=every, average="macro", zero_division=0)), name
    assert found["loss"] == pytest.approx(reference.log_loss(target, shares, labels=every))
    brier = reference.brier_score_loss(target, shares, labels=every, scale_by_half=False)
    assert found["brier"] == pytest.approx(brier)
    if len(there) == 1:
        assert "auroc" not in found, "of one class there is no order"
    else:
        each = [reference.roc_auc_score(truth[:, one], shares[:, one]) for one in there]
        assert found["auroc"] == pytest.approx(np.mean(each))
        if len(there) == number > 2:
            assert found["auroc"] == pytest.approx(reference.roc_auc_score(target, shares, multi_class="ovr"))


@settings(deadline=None, max_examples=40)
@given(seed=seeds, rows=st.integers(2, 40), steps=st.sampled_from([None, 4]))
def test_figures_of_yes_and_no_are_scikit_learns(seed: int, rows: int, steps: int | None) -> None:
    target, shares = classes(np.random.default_rng(seed), rows, 2, steps)
    found = made("binary").figures(target, shares)
    assert found["brier"] == pytest.approx(reference.brier_score_loss(target, shares[:, 1], pos_label=1))
    assert ("auroc" in found) == (np.ptp(target) > 0)
    if "auroc" in found:
        assert found["auroc"] == pytest.approx(reference.roc_auc_score(target, shares[:, 1]))
        assert found["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(target, shares.argmax(1)))


@settings(deadline=None, max_examples=40)
@given(seed=seeds, rows=st.integers(1, 40), number=st.integers(1, 5), steps=st.sampled_from([None, 3]))
def test_figures_of_several_classes_are_scikit_learns(seed: int, rows: int, number: int, steps: int | None) -> None:
    draw = np.random.default_rng(seed)
    truth = (draw.random((rows, number)) < draw.random(number)).astype(np.float32)
    shares = np.clip(0.3 * truth + 0.7 * draw.random((rows, number)), 0.01, 0.99)
    shares = shares if steps is None else np.clip(np.round(steps * shares) / steps, 0.01, 0.99)
    found, said = made("multi_label").figures(truth, shares), shares > 0.5
    assert found["micro_f1"] == pytest.approx(reference.f1_score(truth.ravel(), said.ravel(), zero_division=0))
    for name, function in (("precision", reference.precision_score), ("recall", reference.recall_score), ("f1", reference.f1_score)):
        each = [function(truth[:, one], said[:, one], zero_division=0) for one in range(number)]
        assert found[f"macro_{name}"] == pytest.approx(np.mean(each)), name
    precision = [reference.average_precision_score(has, score) for has, score in zip(truth.T, shares.T, strict=True) if has.any()]
    assert found.get("mean_average_precision") == (pytest.approx(np.mean(precision)) if precision else None)
    order = [reference.roc_auc_score(has, score) for has, score in zip(truth.T, shares.T, strict=True) if np.ptp(has)]
    assert found.get("auroc") == (pytest.approx(np.mean(order)) if order else None)
    assert found["exact_match"] == pytest.approx(reference.accuracy_score(truth, said) if number > 1 else (truth == said).mean())
    assert found["brier"] == pytest.approx(reference.mean_squared_error(truth, shares))
    assert found["loss"] == pytest.approx(reference.log_loss(truth.ravel(), shares.ravel(), labels=[0, 1]), rel=1e-5)


@settings(deadline=None, max_examples=40)
@given(seed=seeds, rows=st.integers(2, 40), far=st.sampled_from([0.0, 1e6]))
def test_figures_of_numbers_are_scikit_learns(seed: int, rows: int, far: float) -> None:
    draw = np.random.default_rng(seed)
    target = far + draw.normal(size=rows)
    predicted = target + draw.normal(size=rows)
    found = made("regression").figures(target, predicted)
    assert found["mae"] == pytest.approx(reference.mean_absolute_error(target, predicted), rel=1e-6)
    assert found["rmse"] == pytest.approx(reference.root_mean_squared_error(target, predicted), rel=1e-6)
    assert found["r2"] == pytest.approx(reference.r2_score(target, predicted), rel=1e-6, abs=1e-6)


def test_measuring_imports_no_scikit_learn() -> None:
    tasks = "".join(f", deconfuse.metrics.{task}" for task in ("binary", "multi_label", "regression", "single_label"))
    script = f"import sys{tasks}; sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT)}, check=True)


# ---------------------------------------------------------------- figures of ranks as means


@settings(deadline=None, max_examples=40)
@given(seed=seeds, steps=st.sampled_from([None, 5]))
@pytest.mark.parametrize(("figure", "known"), [(auroc, reference.roc_auc_score), (average_precision, reference.average_precision_score)])
def test_a_pseudo_value_tells_what_one_more_of_the_sample_does(figure: Any, known: Any, seed: int, steps: int | None) -> None:
    draw, rows = np.random.default_rng(seed), 30
    there = draw.random(rows) < 0.4
    there[:2] = True, False
    score = there + draw.normal(size=rows)
    score = score if steps is None else np.round(steps * score)
    found = figure(there, score)
    assert found.mean() == pytest.approx(known(there, score))
    step = 1e-6
    for one in (0, 1, 17):
        weight = np.ones(rows)
        weight[one] += step
        moved = (known(there, score, sample_weight=weight) - known(there, score)) / step
        assert (found[one] - found.mean()) / rows == pytest.approx(moved, abs=1e-4)


@pytest.mark.parametrize("figure", [auroc, average_precision])
def test_ranks_ask_for_the_order_alone(figure: Any) -> None:
    draw = np.random.default_rng(0)
    there, score = draw.random(50) < 0.5, draw.normal(size=50)
    np.testing.assert_allclose(figure(there, score), figure(there, np.exp(3 * score)))
    assert figure(there, there.astype(float)) == pytest.approx(np.ones(50))
    assert figure(np.zeros(3, bool), score[:3]) is None


# ---------------------------------------------------------------- intervals


def planted(task: str, draw: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a population that never changes."""
    if task == "regression":
        target = draw.normal(0, 3, rows)
        return target, target + draw.normal(size=rows)
    if task == "multi_label":
        truth = (draw.random((rows, 3)) < [0.5, 0.3, 0.2]).astype(float)
        return truth, 1 / (1 + np.exp(1.2 - 2 * truth - draw.normal(size=(rows, 3))))
    weights = {"single_label": [0.5, 0.3, 0.2], "binary": [0.6, 0.4]}[task]
    target = draw.choice(len(weights), rows, p=weights)
    odds = draw.normal(size=(rows, len(weights))) + 1.5 * np.eye(len(weights))[target]
    return target, np.exp(odds) / np.exp(odds).sum(1, keepdims=True)


@pytest.mark.parametrize("task", ["single_label", "binary", "multi_label", "regression"])
def test_intervals_hold_the_truth_as_often_as_they_say(task: str) -> None:
    """250 draws of 200 rows; the truth is that of very many."""
    truth = made(task).figures(*planted(task, np.random.default_rng(0), 100_000))
    hits = dict.fromkeys(truth.keys() - {"n"}, 0)
    for turn in range(250):
        target, predicted = planted(task, np.random.default_rng([1, turn]), 200)
        for name, (low, high) in bounds(task, target, predicted, resamples=400).items():
            hits[name] += low <= truth[name] <= high
    assert {name: share for name, hit in hits.items() if not 0.91 <= (share := hit / 250) <= 0.99} == {}


def test_intervals_agree_with_scipys() -> None:
    from scipy import stats

    draw = np.random.default_rng(2)
    error = draw.standard_t(5, 80)
    expected = stats.bootstrap((error**2,), lambda one, axis: np.sqrt(one.mean(axis)), n_resamples=9000, method="BCa", rng=draw)
    low, high = bounds("regression", np.linspace(0, 9, 80), np.linspace(0, 9, 80) + error, resamples=9000)["rmse"]
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval), rel=0.015)


def test_seeds_share_their_rows() -> None:
    """Two seeds that say the same tell no more than one; two that differ tell more."""
    target, one = planted("single_label", np.random.default_rng(3), 200)
    other = one[:, [1, 0, 2]]
    assert bounds("single_label", target, one, one) == bounds("single_label", target, one)
    both = bounds("single_label", target, one, other)
    for name in ("macro_f1", "loss", "auroc"):
        value = np.mean([made("single_label").figures(target, each)[name] for each in (one, other)])
        assert both[name][0] < value < both[name][1]


def test_a_figure_without_variation_has_no_interval_but_the_main_one_has() -> None:
    # so many that no resample lacks a class
    target = np.arange(120) % 3
    found = bounds("single_label", target, np.eye(3)[target])
    assert found.keys() == {"accuracy"} and found["accuracy"] == pytest.approx((120 / (120 + 1.96**2), 1), abs=1e-4)
    truth = np.eye(3)[target]
    assert bounds("multi_label", truth, truth)["micro_f1"] == found["accuracy"]
    assert bounds("multi_label", truth, 0.4 * truth)["micro_f1"] == pytest.approx((0, 1 - 120 / (120 + 1.96**2)), abs=1e-4)
    assert bounds("regression", np.arange(5.0), np.arange(5.0) + 2)["rmse"] == (2, 2)


@pytest.mark.parametrize("task", ["single_label", "binary", "multi_label", "regression"])
@pytest.mark.filterwarnings("error")
def test_one_row_is_measured(task: str) -> None:
    target, predicted = planted(task, np.random.default_rng(4), 1)
    metrics = made(task)
    found = bounds(task, target, predicted, resamples=100)
    assert metrics.main in found and all(map(math.isfinite, metrics.figures(target, predicted).values()))
    assert "auroc" not in metrics.figures(target, predicted)


def test_of_very_many_rows_groups_are_drawn() -> None:
    """The interval is as wide as that of single rows, and the sums are those of all."""
    draw = np.random.default_rng(5)
    right = (draw.random((2, 3 * GROUPS + 7)) < 0.8).astype(float)
    parts = np.stack([np.ones_like(right), right], 2)
    pieces = grouped(parts)
    assert pieces.shape == (2, GROUPS, 2) and set(pieces[0, :, 0]) == {3, 4}
    np.testing.assert_array_equal(pieces.sum(1), parts.sum(1))
    low, high = intervals(parts, lambda sums: {"share": sums[..., 1] / sums[..., 0]}, 300)["share"]
    expected = 2 * 1.96 * right.mean(0).std() / np.sqrt(right.shape[1])
    assert high - low == pytest.approx(expected, rel=0.12)


@settings(deadline=None, max_examples=25)
@given(seed=seeds, rows=st.integers(1, 30), number=st.integers(2, 4))
def test_an_interval_holds_its_figure_and_stays_in_range(seed: int, rows: int, number: int) -> None:
    target, shares = classes(np.random.default_rng(seed), rows, number)
    figures = made("single_label").figures(target, shares)
    for name, (low, high) in bounds("single_label", target, shares, resamples=100).items():
        assert low <= figures[name] <= high, name
        assert low >= 0 and (high <= 1 or name not in SHARES), name
