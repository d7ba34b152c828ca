"""What the report says is wrong with the data: planted label errors, bad groups, clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact
from sklearn.datasets import make_blobs

from deconfuse.reporting.clusters import agreement, flattened
from deconfuse.reporting.label_errors import suspects
from deconfuse.reporting.sections.faults import confused
from deconfuse.reporting.slices import chance, groups, worst

CLASSES = ["cat", "dog", "NA"]


def answers(labels: np.ndarray, truth: np.ndarray, sure: float = 0.9) -> pd.DataFrame:
    """What a model that knows the truth says of rows that bear `labels`."""
    shares = np.full((len(truth), len(CLASSES)), (1 - sure) / (len(CLASSES) - 1))
    shares[np.arange(len(truth)), truth] = sure
    named = np.array(CLASSES, object)
    table = pd.DataFrame(shares, columns=[f"p:{name}" for name in CLASSES])
    return table.assign(id=[f"row-{i}" for i in range(len(truth))], actual=named[labels], predicted=named[truth])


def test_planted_label_errors_are_found_and_no_others() -> None:
    truth = np.arange(90) % 3
    labels = truth.copy()
    labels[[4, 31, 77]] = (labels[[4, 31, 77]] + 1) % 3
    found = suspects(answers(labels, truth), np.repeat("test", 90), CLASSES)
    assert sorted(found["id"]) == ["row-31", "row-4", "row-77"]
    assert set(found["confidence"]) == {0.9} and set(found["quality"]) == {0.05}
    assert dict(zip(found["id"], found["suggested"], strict=True))["row-4"] == CLASSES[truth[4]]


def test_right_labels_and_a_single_class_raise_no_suspicion() -> None:
    truth = np.arange(60) % 3
    assert suspects(answers(truth, truth), np.repeat("test", 60), CLASSES).empty
    assert suspects(answers(np.zeros(20, int), np.zeros(20, int)), np.repeat("val", 20), CLASSES).empty


def test_confused_pairs_are_counted_from_actual_to_predicted() -> None:
    found = confused(answers(np.array([0, 0, 0, 0, 1, 2]), np.array([1, 1, 2, 0, 0, 2])))
    assert found.iloc[0].to_dict() == {"actual": "cat", "predicted": "dog", "n": 2, "of": 4, "share": 0.5}
    assert len(found) == 3


def test_a_model_without_errors_confuses_nothing() -> None:
    assert len(confused(answers(np.array([0, 1, 2]), np.array([0, 1, 2])))) == 0


def test_a_planted_bad_group_is_shown_and_chance_is_not() -> None:
    draw = np.random.default_rng(0)
    table = pd.DataFrame({"speaker": draw.choice(["ann", "bob", "eve"], 600), "room": draw.choice(list("abcdefgh"), 600)})
    score = (draw.random(600) < np.where(table["speaker"] == "eve", 0.6, 0.9)).astype(float)
    found = worst(table, score)
    shown = found[found["p_holm"] < 0.05]
    assert shown[["column", "value"]].to_numpy().tolist() == [["speaker", "eve"]]
    assert shown.iloc[0]["score"] < 0.7 < shown.iloc[0]["rest"]


def test_groups_that_are_no_worse_are_rarely_called_so() -> None:
    draw = np.random.default_rng(1)
    table = pd.DataFrame({name: draw.choice(list("abcde"), 200) for name in ("one", "two")})
    wrong = sum((worst(table, (draw.random(200) < 0.8).astype(float))["p_holm"] < 0.05).any() for _ in range(200))
    assert wrong <= 14


def test_the_chance_of_a_group_is_fishers() -> None:
    score = np.repeat([1.0, 0.0], [70, 30])
    here = np.zeros(100, bool)
    here[:12] = here[70:82] = True
    table = [[score[here].sum(), (1 - score[here]).sum()], [score[~here].sum(), (1 - score[~here]).sum()]]
    assert chance(score, here) == pytest.approx(fisher_exact(table, alternative="less").pvalue, rel=1e-9)
    assert chance(-np.ones(100) * 0.5, here) == 1.0


def test_numbers_of_many_values_are_cut_at_their_quartiles() -> None:
    column = pd.Series([str(number) for number in range(100)] + [""] * 20)
    found = dict(groups(column))
    assert list(found) == ["(empty)", "0 to 24.75", "24.75 to 49.5", "49.5 to 74.25", "74.25 to 99"]
    assert [int(here.sum()) for here in found.values()] == [20, 25, 25, 25, 25]
    assert list(groups(pd.Series([f"file-{number}.png" for number in range(100)]))) == []
    assert list(groups(pd.Series(["same"] * 50))) == []


def test_clusters_of_blobs_are_their_classes_and_those_of_noise_are_not() -> None:
    points, labels = make_blobs(150, 5, centers=3, cluster_std=0.5, random_state=0)
    blobs, noise = (agreement(each, labels, 3) for each in (points, np.random.default_rng(0).normal(size=(150, 5))))
    assert blobs["ari"] == blobs["nmi"] == pytest.approx(1)
    assert blobs["silhouette"] > 0.5
    assert abs(noise["ari"]) < 0.1 and noise["silhouette"] < 0.1


def test_the_map_keeps_groups_apart_and_bears_numbers_that_never_change() -> None:
    points, labels = make_blobs(60, 5, centers=3, cluster_std=0.3, random_state=0)
    plane = flattened(np.column_stack([points, np.ones(60)]).astype(np.float32))
    centres = np.stack([plane[labels == k].mean(0) for k in range(3)])
    spread = max(np.linalg.norm(plane[labels == k] - centres[k], axis=1).max() for k in range(3))
    assert min(np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))) > spread
