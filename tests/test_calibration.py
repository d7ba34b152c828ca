"""Calibration: errors as their papers define them, planted sureness found, and a temperature that changes no answer."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, special
from subjects import subject
from torch import nn

from deconfuse.analyses import Subject, Tables
from deconfuse.analyses._reliability import equal_mass, equal_width
from deconfuse.analyses._selection import curve, pseudo_values
from deconfuse.analyses._temperature import fitted
from deconfuse.analyses.calibration import Calibration, sureness
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model

seeds = st.integers(0, 2**32 - 1)
FACTS: dict[str, dict[str, Any]] = {
    "single_label": {"task": "single_label", "classes": ["a", "b", "c"], "train_counts": [1, 1, 1]},
    "binary": {"task": "binary", "classes": ["no", "yes"], "train_counts": [1, 1]},
    "multi_label": {"task": "multi_label", "classes": ["a", "b", "c"], "train_counts": [1, 1, 1], "train_rows": 3, "separator": ";"},
    "regression": {"task": "regression", "mean": 0.0, "deviation": 1.0},
}
OUTPUTS = {"single_label": 3, "binary": 1, "multi_label": 3, "regression": 1}


class Surer(Model):
    """A model whose logits are what it reads, times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__({"odds": nn.Identity()}, nn.Identity(), 1, {}, torch.zeros(1), 0.0)
        self.factor = factor

    def forward(self, inputs: Any, lengths: Any, present: Any) -> tuple[torch.Tensor, dict[str, object]]:
        return self.factor * inputs["odds"], {}


def drawn(task: str, rows: int, draw: np.random.Generator) -> Dataset:
    """Rows whose labels are drawn with the chances that the logits tell: at factor 1 a model is calibrated."""
    odds = 2 * draw.normal(size=(rows, OUTPUTS[task]))
    if task == "single_label":
        label = (special.softmax(odds, 1).cumsum(1) > draw.random((rows, 1))).argmax(1)
    else:
        label = draw.random(odds.shape) < special.expit(odds)
        label = label.astype(np.float32) if task == "multi_label" else label[:, 0].astype(float if task == "regression" else int)
    there = {"odds": torch.ones(rows, dtype=torch.bool)}
    return Dataset({"odds": torch.from_numpy(odds).float()}, {}, there, torch.from_numpy(label))


def asked(task: str, factor: float, rows: int = 2000, seed: int = 0) -> Subject:
    draw = np.random.default_rng(seed)
    return subject(Surer(factor), FACTS[task], {split: drawn(task, rows, draw) for split in ("val", "test")})


def tables(task: str, factor: float, **more: int) -> tuple[Tables, dict[str, Any], dict[str, Any]]:
    """All tables, and the summary as trained and scaled."""
    found = Calibration()(asked(task, factor, **more))
    return found, *found["calibration"]


every_task = pytest.mark.parametrize("task", ["single_label", "binary", "multi_label"])


# ---------------------------------------------------------------- planted sureness


@every_task
def test_an_over_confident_model_is_cooled_to_what_it_knows(task: str) -> None:
    found, trained, scaled = tables(task, 2.5)
    assert trained["temperature"] == 1 and scaled["temperature"] == pytest.approx(2.5, rel=0.12)
    assert trained["confidence"] > trained["accuracy"] + 0.05 and trained["ece"] > trained["ece_chance"] and trained["ece_low"] > 0
    assert scaled["accuracy"] == trained["accuracy"], "the answers are the same"
    assert scaled["loss"] < trained["loss"] and scaled["brier"] < trained["brier"]
    assert scaled["ece"] < scaled["ece_chance"] < trained["ece"] and scaled["ece_low"] == 0
    assert abs(scaled["confidence"] - scaled["accuracy"]) < 0.02
    for name in ("ece", "adaptive_ece", "brier", "loss", "aurc"):
        assert trained[f"{name}_low"] <= trained[name] <= trained[f"{name}_high"]
    assert {row["scaled"] for row in found["reliability"]} == {"no", "yes"}
    assert all(row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"] for row in found["reliability"])
    assert sum(row["n"] for row in found["reliability"]) == 2 * trained["decisions"] == 2 * 2000 * (3 if task == "multi_label" else 1)


@every_task
def test_an_under_confident_model_is_warmed(task: str) -> None:
    _, trained, scaled = tables(task, 0.4)
    assert scaled["temperature"] == pytest.approx(0.4, rel=0.12)
    assert trained["confidence"] < trained["accuracy"] - 0.05 and scaled["loss"] < trained["loss"]


@every_task
def test_scaling_changes_no_answer(task: str) -> None:
    one = asked(task, 3.0, rows=300)
    logits, target = one.logits["test"].double(), one.target("test")
    told = [sureness(one.task.predictions(logits / t, one.facts), target, task).right for t in (0.05, 1.0, 20.0)]
    assert (told[0] == told[1]).all() and (told[1] == told[2]).all()


def test_a_calibrated_model_is_seldom_said_not_to_be_and_an_over_confident_one_mostly() -> None:
    """Chance is exceeded by 5 of 100 calibrated models; the interval holds the truth, here of very many rows, as it should."""
    draw = np.random.default_rng(1)

    def sample(rows: int, factor: float) -> tuple[np.ndarray, np.ndarray]:
        odds = 2 * draw.normal(size=rows)
        confidence = np.maximum(special.expit(factor * odds), special.expit(-factor * odds))
        return confidence, (draw.random(rows) < special.expit(odds)) == (odds > 0)

    for factor, exceeded, rows in ((1.0, (0.01, 0.09), 400), (2.0, (0.95, 1.0), 400)):
        confidence, right = sample(200_000, factor)
        truth, above, held = equal_width(confidence, 15).error(right) if factor > 1 else 0.0, 0, 0
        for _ in range(200):
            confidence, right = sample(rows, factor)
            bins = equal_width(confidence, 15)
            is_above = bins.error(right) > bins.chance(300)
            low, high = bins.interval(right, np.arange(rows), 200)
            above += is_above
            held += (low if is_above else 0.0) <= truth <= high
        assert exceeded[0] <= above / 200 <= exceeded[1]
        assert held / 200 >= 0.9


# ---------------------------------------------------------------- references


@settings(deadline=None, max_examples=50)
@given(seed=seeds, rows=st.integers(1, 60), number=st.integers(2, 15), is_rounded=st.booleans())
def test_the_error_is_guos(seed: int, rows: int, number: int, is_rounded: bool) -> None:
    draw = np.random.default_rng(seed)
    confidence = draw.random(rows)
    # on the edges of bins, too
    confidence = np.round(confidence * number) / number if is_rounded else confidence
    right = draw.random(rows) < confidence
    bins, error, worst = equal_width(confidence, number), 0.0, 0.0
    for one in range(number):
        low, high = one / number, (one + 1) / number
        here = [i for i in range(rows) if low < confidence[i] <= high or (one == 0 and confidence[i] == 0)]
        if here:
            gap = abs(sum(right[i] for i in here) / len(here) - sum(confidence[i] for i in here) / len(here))
            error, worst = error + len(here) / rows * gap, max(worst, gap)
    assert bins.error(right) == pytest.approx(error, abs=1e-12) and bins.gaps(right).max() == pytest.approx(worst, abs=1e-12)


def test_bins_of_equal_mass_hold_as_many_each_and_equal_decisions_together() -> None:
    confidence = np.random.default_rng(0).random(150)
    assert set(equal_mass(confidence, 15).sizes) == {10}
    tied = np.repeat([0.5, 0.9], [100, 50])
    assert sorted(equal_mass(tied, 15).sizes)[-2:] == [50, 100]
    assert equal_mass(tied, 15).error(np.ones(150, bool)) == pytest.approx((100 * 0.5 + 50 * 0.1) / 150)


def test_chance_is_that_of_decision_by_decision() -> None:
    draw = np.random.default_rng(0)
    bins = equal_width(np.sqrt(draw.random(300)), 15)
    each = [bins.error(draw.random(300) < bins.confidence) for _ in range(2000)]
    assert bins.chance(4000) == pytest.approx(np.quantile(each, 0.95), rel=0.06)


def test_rows_are_drawn_with_all_their_decisions() -> None:
    """Every row's decisions said thrice tell no more than once."""
    draw = np.random.default_rng(0)
    confidence, right = draw.random(200), draw.random(200) < 0.5
    once = equal_width(confidence, 15).interval(right, np.arange(200), 500)
    thrice = equal_width(np.repeat(confidence, 3), 15).interval(np.repeat(right, 3), np.repeat(np.arange(200), 3), 500)
    assert once == pytest.approx(thrice)


@every_task
def test_the_temperature_is_scipys(task: str) -> None:
    one = asked(task, 1.7, rows=200, seed=3)
    loss, logits, target = one.task.loss(one.facts, None, 0.0), one.logits["val"].double(), one.data("val").label
    known = optimize.minimize_scalar(lambda place: float(loss(logits / math.exp(place), target)), bounds=(-3, 3), method="bounded")
    assert fitted(loss, logits, target, 20.0) == pytest.approx(math.exp(known.x), rel=1e-3)
    figures = one.metrics.figures(one.target("val"), one.task.predictions(logits, one.facts))
    assert figures["loss"] == pytest.approx(float(loss(logits, target))), "what is fitted is what is shown"


def test_rows_that_are_all_right_end_at_the_coldest() -> None:
    loss = nn.functional.cross_entropy
    logits, target = torch.eye(3).double(), torch.arange(3)
    assert fitted(loss, logits, target, 20.0) == pytest.approx(1 / 20)
    assert fitted(loss, -logits, target, 20.0) == pytest.approx(20)


# ---------------------------------------------------------------- risk and coverage


def area(confidence: np.ndarray, right: np.ndarray, weight: np.ndarray) -> float:
    """By its definition: the mean over rows of the risk of all that are as sure or surer; among equal ones, in every order."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.array([np.average(~right[confidence == one], weights=weight[confidence == one]) for one in confidence])
    risk = np.cumsum((weight * wrong)[order]) / np.cumsum(weight[order])
    return float(np.average(risk, weights=weight[order]))


def test_the_area_under_the_curve_is_the_mean_risk_and_moves_as_its_pseudo_values_tell() -> None:
    draw = np.random.default_rng(0)
    confidence, one = draw.random(40), np.ones(40)
    right = draw.random(40) < confidence
    values = pseudo_values(confidence, right)
    assert values.mean() == pytest.approx(area(confidence, right, one))
    for place in (0, 7, 39):
        more = one.copy()
        more[place] += 1e-6
        moved = (area(confidence, right, more) - area(confidence, right, one)) / 1e-6
        assert (values[place] - values.mean()) / 40 == pytest.approx(moved, abs=1e-4)


def test_rows_that_are_as_sure_have_no_order() -> None:
    draw = np.random.default_rng(1)
    confidence = draw.integers(1, 4, 30) / 4
    right = draw.random(30) < confidence
    orders = []
    for _ in range(3000):
        # a nudge breaks the ties, in every order as often
        orders.append(pseudo_values(confidence + 1e-6 * draw.random(30), right).mean())
    assert pseudo_values(confidence, right).mean() == pytest.approx(np.mean(orders), abs=0.003)
    shuffled = draw.permutation(30)
    assert curve(confidence, right, 7) == curve(confidence[shuffled], right[shuffled], 7)


def test_the_curve_ends_at_all_rows_and_a_model_that_knows_errs_last() -> None:
    right = np.arange(200) >= 50
    found = curve(np.arange(200) / 200, right, 50)
    assert len(found) == 50 and [row["coverage"] for row in found] == pytest.approx(np.arange(1, 51) / 50)
    assert found[-1]["risk"] == 0.25 and found[-1]["n"] == 200 and found[36]["risk"] == 0 < found[36]["risk_high"]
    assert all(row["risk_low"] <= row["risk"] <= row["risk_high"] for row in found)
    _, trained, _ = tables("single_label", 1.0)
    assert trained["aurc"] < 0.7 * (1 - trained["accuracy"]), "its sureness tells something"
    assert len(curve(np.array([0.5]), np.array([True]), 50)) == 1


def test_a_row_of_several_decisions_is_as_sure_as_its_least_sure_one() -> None:
    found = sureness(np.array([[0.9, 0.2], [0.6, 0.1]]), np.array([[1.0, 1.0], [1.0, 0.0]]), "multi_label")
    assert found.confidence.tolist() == [0.9, 0.8, 0.6, 0.9] and found.right.tolist() == [True, False, True, True]
    assert found.row.tolist() == [0, 0, 1, 1]
    assert found.whole[0].tolist() == [0.8, 0.6] and found.whole[1].tolist() == [False, True]


# ---------------------------------------------------------------- options


def test_numbers_have_no_calibration() -> None:
    assert Calibration()(asked("regression", 1.0, rows=40)) == {}


def test_of_many_rows_some_are_asked() -> None:
    one = asked("single_label", 1.5, rows=500)
    found, again = (Calibration(rows=100, bins=5, points=10)(one) for _ in range(2))
    assert found == again and [row["rows"] for row in found["calibration"]] == [100, 100]
    assert len(found["risk_coverage"]) == 10 and {row["bin"] for row in found["reliability"]} <= set(range(5))


@pytest.mark.filterwarnings("error")
@every_task
def test_one_row_and_rows_that_are_all_right_are_measured(task: str) -> None:
    _, trained, scaled = tables(task, 1.0, rows=1)
    assert trained["rows"] == 1 and all(math.isfinite(value) for value in trained.values() if isinstance(value, float))
    _, trained, scaled = tables(task, 1e4, rows=30)
    assert trained["confidence"] == pytest.approx(1) and scaled["temperature"] > 1
