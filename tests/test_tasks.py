"""Every task: cells to targets, losses against references, planted truths learnt, and the whole pipeline on a small made data set."""

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ruamel.yaml import YAML
from sklearn.metrics import average_precision_score, f1_score, log_loss, r2_score
from torch import Tensor, nn
from torch.nn import functional as F

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, part
from deconfuse.kernel.params import check
from deconfuse.metrics import over_seeds
from deconfuse.metrics.regression import r2
from deconfuse.model.dataset import Dataset
from deconfuse.params.preprocess import Preprocess
from deconfuse.params.report import Report
from deconfuse.regularisation.mixup import mixup
from deconfuse.reporting.page import write
from deconfuse.runtime.prediction import predict
from deconfuse.tasks import LabelError, Task
from deconfuse.tasks._losses import balanced_answers, binary_cross_entropy, squared_error
from deconfuse.training.loop import fit
from deconfuse.training.optimisation import optimizer
from deconfuse.training.recipe import Recipe
from deconfuse.validation import validate, validate_task
from stages import embed, evaluate, preprocess, train

TASKS = names("tasks")
every_task = pytest.mark.parametrize("name", TASKS)
CELLS = {
    "single_label": ["2", "10", "b", "2", "10", "b"],
    "binary": ["yes", "no", "no", "yes", "yes", "no"],
    "multi_label": ["dog;out", "dog", "out ; cat", "cat", "dog; dog", "cat;dog;out"],
    "regression": ["3", "-0.5", "1e3", "2.25", "7", "-8"],
}


def make(name: str, **options: Any) -> Task:
    return part("tasks", name)(**options)


def prepared(name: str, cells: list[str]) -> tuple[Task, list[str], np.ndarray, dict[str, Any]]:
    """A task, its classes, the targets as they are stored, and what schema.json says."""
    task = make(name)
    classes = task.classes(cells)
    places = {label: place for place, label in enumerate(classes)}
    targets = np.array([task.target(cell, places) for cell in cells], task.dtype)
    return task, classes, targets, task.facts(targets, classes)


# ---------------------------------------------------------------- cells


def test_cells_become_targets() -> None:
    found = {name: prepared(name, CELLS[name]) for name in TASKS}
    assert {name: classes for name, (_, classes, _, _) in found.items()} == {
        "single_label": ["2", "10", "b"],
        "binary": ["no", "yes"],
        "multi_label": ["cat", "dog", "out"],
        "regression": [],
    }
    assert found["single_label"][2].tolist() == [0, 1, 2, 0, 1, 2]
    assert found["binary"][2].tolist() == [1, 0, 0, 1, 1, 0]
    assert found["multi_label"][2].tolist() == [[0, 1, 1], [0, 1, 0], [1, 0, 1], [1, 0, 0], [0, 1, 0], [1, 1, 1]]
    assert found["regression"][2].tolist() == [3, -0.5, 1000, 2.25, 7, -8]
    assert found["multi_label"][3] == {"classes": ["cat", "dog", "out"], "train_counts": [3, 4, 3], "train_rows": 6, "separator": ";"}
    numbers = [3, -0.5, 1000, 2.25, 7, -8]
    assert found["regression"][3] == {"classes": [], "train_counts": [], "mean": np.mean(numbers), "std": np.std(numbers)}


@pytest.mark.parametrize(
    ("name", "cell", "says"),
    [
        ("regression", "tall", "'tall' is no number"),
        ("regression", "1,5", "is no number"),
        ("regression", "1_000", "is no number"),
        ("regression", "nan", "is no number"),
        ("regression", "1e999", "is no number"),
        ("multi_label", "a;;b", "nothing before, after or between its ';'"),
        ("multi_label", ";a", "nothing before"),
        ("multi_label", " ; ", "nothing before"),
    ],
)
def test_a_cell_that_is_no_label_is_refused(name: str, cell: str, says: str) -> None:
    task = make(name)
    with pytest.raises(LabelError, match=says):
        task.target(cell, {"a": 0, "b": 1})
    assert task.classes(["a", cell]) == task.classes(["a"])


@pytest.mark.parametrize(
    ("name", "cells", "says"),
    [
        ("single_label", ["a", "a"], "all rows have the label 'a'"),
        ("binary", ["a", "b", "c"], "there are 3 labels: a, b, c"),
        ("binary", ["a"], "needs two classes"),
        ("multi_label", ["a", "a"], "needs two classes"),
        ("regression", ["2", "2"], "standard deviation 0"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(name: str, cells: list[str], says: str) -> None:
    with pytest.raises(UserError, match=says):
        prepared(name, cells)


@pytest.mark.parametrize("name", ["single_label", "binary", "multi_label"])
def test_a_class_without_a_training_row_is_named(name: str) -> None:
    task = make(name)
    targets = np.array([task.target("a", {"a": 0, "b": 1})], task.dtype)
    with pytest.raises(UserError, match="no training row has the label b"):
        task.facts(targets, ["a", "b"])


def test_the_separator_is_an_option() -> None:
    task = make("multi_label", separator="|")
    assert task.classes(["a;b|c"]) == ["a;b", "c"]
    assert check({"task": {"name": "multi_label", "separator": "|"}}, Preprocess).task.arguments() == {"separator": "|"}
    with pytest.raises(UserError, match="did you mean `multi_label`"):
        check({"task": "multilabel"}, Preprocess)
    with pytest.raises(UserError, match="there is no such key"):
        check({"task": {"name": "regression", "separator": "|"}}, Preprocess)


@pytest.mark.parametrize(("key", "value"), [("class_weights", "balanced"), ("label_smoothing", 0.1)])
def test_numbers_take_no_settings_of_classes(tmp_path: Path, key: str, value: Any) -> None:
    values = YAML(typ="safe").load(Path("params.yaml").read_text())
    values["preprocess"]["task"] = "regression"
    values["models"]["image_cnn"]["train"] = {key: value}
    path = tmp_path / "params.yaml"
    for task in ("regression", "auto"):
        values["preprocess"]["task"] = task
        path.write_text(json.dumps(values))
        params = validate({name: name for name in ("audio", "image", "text", "video")}, path)
        with pytest.raises(UserError, match=f"models.image_cnn: train.{key} is {value}, but preprocess.task is regression"):
            validate_task(params, ["0.5", "1.5", "2"], path)


# ---------------------------------------------------------------- losses


def test_the_prior_is_the_best_constant_answer() -> None:
    """Of all constant outputs, the prior has the least loss over the train split."""
    for name in TASKS:
        task, _, targets, facts = prepared(name, CELLS[name] * 50)
        prior, target = task.prior(facts), torch.from_numpy(targets)
        loss = task.loss(facts, None, 0.0)
        best = float(loss(prior.expand(len(target), -1), target))
        for shift in torch.eye(len(prior)) * 0.1:
            for moved in (prior + shift, prior - shift):
                assert float(loss(moved.expand(len(target), -1), target)) > best, name
    assert make("binary").prior({"train_counts": [1, 3]}).sigmoid().tolist() == pytest.approx([0.75])
    always = make("multi_label").prior({"train_counts": [4, 1], "train_rows": 4})
    assert always.tolist() == pytest.approx([math.log(4.5 / 0.5), math.log(1.5 / 3.5)])


def test_binary_cross_entropy_against_scikit_learn() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, answer = torch.randn(50, 3, generator=draw), (torch.rand(50, 3, generator=draw) < 0.2).float()
    found = float(binary_cross_entropy(None, 0.0)(logits, answer))
    expected = np.mean([log_loss(answer[:, k].numpy(), logits[:, k].double().sigmoid().numpy(), labels=[0, 1]) for k in range(3)])
    assert found == pytest.approx(expected, rel=1e-5)
    weights = balanced_answers(answer)
    assert weights.shape == (2, 3)
    weighed = np.mean(
        [
            log_loss(y, p, labels=[0, 1], sample_weight=np.where(y > 0, weights[1, k], weights[0, k]))
            for k in range(3)
            for y, p in [(answer[:, k].numpy(), logits[:, k].double().sigmoid().numpy())]
        ]
    )
    assert float(binary_cross_entropy(weights, 0.0)(logits, answer)) == pytest.approx(weighed, rel=1e-5)
    smooth = F.binary_cross_entropy_with_logits(logits, 0.7 * answer + 0.15)
    torch.testing.assert_close(binary_cross_entropy(None, 0.3)(logits, answer), smooth)


def test_yes_and_no_count_the_same_when_balanced() -> None:
    answer = torch.zeros(20, 2)
    answer[:2, 0] = answer[:15, 1] = 1
    weights = balanced_answers(answer)
    assert (weights[1] * answer.sum(0)).tolist() == pytest.approx((weights[0] * (1 - answer).sum(0)).tolist())
    assert torch.where(answer > 0, weights[1], weights[0]).mean(0).tolist() == pytest.approx([1, 1])


def test_binary_is_one_question_of_many() -> None:
    """A softmax over two classes and one logit, their difference, are the same."""
    one, two = make("binary"), make("single_label")
    facts = {"classes": ["no", "yes"], "train_counts": [3, 5]}
    logits, target = torch.randn(40, 2, generator=torch.Generator().manual_seed(1)), torch.arange(40) % 3 % 2
    odds = logits[:, 1:] - logits[:, :1]
    torch.testing.assert_close(one.loss(facts, None, 0.0)(odds, target), two.loss(facts, None, 0.0)(logits, target))
    assert one.predictions(odds, facts) == pytest.approx(two.predictions(logits, facts), abs=1e-6)
    assert torch.equal(one.score(facts)(odds, target), two.score(facts)(logits, target))


def test_large_numbers_that_differ_little_keep_their_difference() -> None:
    numbers = torch.tensor([1_700_000_000.0, 1_700_000_001.0, 1_700_000_002.0], dtype=torch.float64)
    loss = squared_error(1_700_000_001.0, 0.5)
    assert float(loss(torch.tensor([[-2.0], [0.0], [2.0]]), numbers)) == 0
    assert float(loss(torch.zeros(3, 1), numbers)) == pytest.approx(8 / 3)


# ---------------------------------------------------------------- learning


class Net(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, outputs))

    def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
        return self.layers(inputs["point"]), {}


def planted(name: str, x: Tensor) -> list[str]:
    """Cells that a plane's points tell without doubt."""
    left, low = x[:, 0] < 0, x[:, 1] < 0
    if name == "regression":
        return [f"{1000 + 20 * a - 7 * b:.6f}" for a, b in x.tolist()]
    if name == "multi_label":
        return [";".join(["any"] + ["left"] * a + ["low"] * b) for a, b in zip(left.tolist(), low.tolist(), strict=True)]
    if name == "binary":
        return ["yes" if a else "no" for a in left.tolist()]
    return ["left" if a else "low" if b else "rest" for a, b in zip(left.tolist(), low.tolist(), strict=True)]


@pytest.mark.parametrize("alpha", [0.0, 0.2])
@every_task
def test_a_planted_truth_is_learnt(name: str, alpha: float) -> None:
    torch.manual_seed(0)
    x = torch.randn(600, 2)
    task, _, targets, facts = prepared(name, planted(name, x))
    data = Dataset({"point": x}, {}, {"point": torch.ones(600, dtype=torch.bool)}, torch.from_numpy(targets))
    model = Net(len(task.prior(facts)))
    augment = (lambda batch, draw: mixup(batch, alpha, lambda label: task.mixable(label, facts), set(), draw)) if alpha else None
    recipe = Recipe(
        seed=0,
        epochs=30,
        batch_size=50,
        optimizer=optimizer("adamw", model, 1e-4, 0.9),
        rate=lambda step, steps: 0.02 * (1 - step / steps),
        loss=task.loss(facts, None, 0.0),
        plain=task.loss(facts, None, 0.0),
        measure=task.measure,
        score=task.score(facts),
        augment=augment,
    )
    rows: list[dict[str, float]] = []
    model.load_state_dict(fit(model, data, data, recipe, rows.append).weights)
    told = [key for key in rows[0] if not key.startswith("gradient_norm")]
    assert told == ["epoch", "learning_rate", "train_loss", f"train_{task.measure}", "val_loss", f"val_{task.measure}"]
    found = figures(name, targets, task.predictions(predict(model, data), facts))
    best = min(rows, key=lambda row: row["val_loss"])
    logged = {"accuracy": "accuracy", "exact_match": "exact_match", "mae": "mae"}[task.measure]
    assert found[logged] == pytest.approx(best[f"val_{task.measure}"], rel=1e-4), "history and metrics must agree"
    if name == "regression":
        assert found["r2"] > 0.99
        assert found["mae"] < 2
    else:
        assert found.get("micro_f1", found.get("accuracy")) > 0.95


# ---------------------------------------------------------------- metrics


def figures(name: str, target: np.ndarray, *predicted: np.ndarray) -> dict[str, float]:
    """Over seeds, one a set of predictions."""
    metrics = part("metrics", name)()
    bounds = metrics.bounds(np.stack([metrics.parts(target, one) for one in predicted]), 2000)
    return over_seeds([metrics.figures(target, one) for one in predicted], bounds)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_single_label_figures_against_scikit_learn(kind: type) -> None:
    rng = np.random.default_rng(0)
    # class 3 is never there, class 4 neither there nor predicted
    target = rng.integers(0, 3, 90)
    share = rng.dirichlet([0.5] * 4, 90)
    probability = np.concatenate([share, np.zeros((90, 1))], 1).astype(kind)
    probability[:2] = np.eye(5, dtype=kind)[[(target[0] + 1) % 3, target[1]]]
    found = figures("single_label", target, probability)
    classes = np.arange(5)
    assert found["accuracy"] == (probability.argmax(1) == target).mean() and found["n"] == 90
    assert found["macro_f1"] == pytest.approx(f1_score(target, probability.argmax(1), labels=classes, average="macro", zero_division=0))
    assert found["loss"] == pytest.approx(log_loss(target, probability, labels=classes), rel=1e-5)


def test_multi_label_figures_against_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    target = (rng.random((80, 4)) < [0.5, 0.1, 0.3, 0.0]).astype(np.float32)
    target[target.sum(1) == 0, 0] = 1
    probability = np.clip(0.3 * target + 0.7 * rng.random((80, 4)), 0, 1)
    found = figures("multi_label", target, probability)
    chosen = probability > 0.5
    assert found["micro_f1"] == pytest.approx(f1_score(target, chosen, average="micro"))
    assert found["macro_f1"] == pytest.approx(f1_score(target, chosen, average="macro", zero_division=0))
    assert found["mean_average_precision"] == pytest.approx(
        np.mean([average_precision_score(target[:, k], probability[:, k]) for k in range(3)])
    ), "a class that no sample has must not count"
    assert found["exact_match"] == pytest.approx(np.mean([(a == b).all() for a, b in zip(target, chosen, strict=True)]))
    assert found["loss"] == pytest.approx(np.mean([log_loss(target[:, k], probability[:, k], labels=[0, 1]) for k in range(4)]))
    assert found["micro_f1_low"] < found["micro_f1"] < found["micro_f1_high"]


def test_regression_figures_by_hand() -> None:
    target, predicted = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.0, 3.0, 3.0, 4.0])
    found = figures("regression", target, predicted)
    assert (found["rmse"], found["mae"], found["n"]) == pytest.approx((math.sqrt(5 / 4), 3 / 4, 4))
    assert found["r2"] == pytest.approx(1 - 5 / 14)
    assert all(found[f"{name}_low"] <= found[name] <= found[f"{name}_high"] for name in ("rmse", "mae", "r2"))
    assert "r2" not in figures("regression", np.ones(3), predicted[:3])


def test_intervals_agree_with_resampling_row_by_row() -> None:
    rng = np.random.default_rng(5)
    target = 100 + rng.normal(0, 5, 60)
    predicted = target + rng.normal(0, 3, 60)
    rows = rng.integers(60, size=(4000, 60))
    found = figures("regression", target, predicted)
    error = predicted - target
    for name, values in {
        "rmse": np.sqrt((error**2)[rows].mean(1)),
        "mae": np.abs(error)[rows].mean(1),
        "r2": np.array([r2_score(target[row], predicted[row]) for row in rows]),
    }.items():
        width = found[f"{name}_high"] - found[f"{name}_low"]
        assert (found[f"{name}_low"], found[f"{name}_high"]) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.12 * width)
    there, chosen = rng.random((60, 3)) < 0.6, rng.random((60, 3)) < 0.6
    each = np.array([f1_score(there[row], chosen[row], average="micro") for row in rows[:1000]])
    found = figures("multi_label", there.astype(float), chosen.astype(float))
    assert (found["micro_f1_low"], found["micro_f1_high"]) == pytest.approx(tuple(np.quantile(each, [0.025, 0.975])), abs=0.02)


def test_a_resample_without_variance_has_an_r2() -> None:
    assert r2(np.array([[3.0, 1.0, 1.0, 6.0, 12.0]])).tolist() == [0.0]


# ---------------------------------------------------------------- the stages


MODELS = {
    "one": {"encoders": {"first": "cnn"}, "train": {"seeds": [0, 1]}},
    "both": {"encoders": {"first": "cnn", "second": "cnn"}, "fusion": "concat"},
}


def project(root: Path, name: str, x: np.ndarray) -> None:
    """Raw data whose two modalities are pictures of one grey value, one for each axis of a plane's points."""
    from PIL import Image

    cells = planted(name, torch.from_numpy(x))
    if name == "regression":
        cells[5] = "tall"
    table: list[list[object]] = [["line", "id", "split", "label", "first", "second"]]
    for i, (point, cell) in enumerate(zip(x, cells, strict=True)):
        paths = [f"{modality}{i}.png" for modality in ("first", "second")]
        (root / "data/raw").mkdir(parents=True, exist_ok=True)
        for path, value in zip(paths, point, strict=True):
            Image.new("L", (8, 8), int(np.clip(128 + 50 * value, 0, 255))).save(root / "data/raw" / path)
        table.append([i + 2, f"r{i}", ("train", "train", "val", "test")[i % 4], cell, *paths])
    with (root / "data/raw/manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(table)
    about = {"name": "plane", "title": "A plane", "licence": "CC0", "citation": "Made.", "notes": [], "params": {}, "digest": "0"}
    modalities = {name: {"kind": "image", "media": ""} for name in ("first", "second")}
    (root / "data/raw/rejected.csv").write_text("line,id,column,reason\n")
    (root / "data/raw/source.json").write_text(json.dumps(about | {"modalities": modalities}))
    params = {
        "preprocess": {"task": name, "image": {"height": 8, "width": 8}, "max_rejected": 0.1, "workers": 2},
        "embed": {"first": "pixels", "second": "pixels"},
        "train": {"epochs": 30, "batch_size": 20, "learning_rate": 0.02, "device": "cpu"},
        "evaluate": {"analyses": [], "bootstrap": 200},
        "models": MODELS,
    }
    (root / "params.yaml").write_text(json.dumps(params))


@every_task
def test_the_whole_pipeline(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted truth needs both modalities: a model of both finds it, and the report says so."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(400, 2))
    project(tmp_path, name, x)
    preprocess.main()
    for modality in ("first", "second"):
        embed.main(modality)
    for model in MODELS:
        train.main(model)
        evaluate.main(model)
    schema = json.loads((tmp_path / "data/prepared/schema.json").read_text())
    assert schema["task"] == name and np.load(tmp_path / "data/prepared/val/rows/label.npy").dtype == make(name).dtype
    rejected = (tmp_path / "data/prepared/rejected.csv").read_text().splitlines()[1:]
    assert len(rejected) == (name == "regression") and all("r5,label,'tall' is no number" in line.replace('"', "") for line in rejected)
    measured = {model: json.loads((tmp_path / f"reports/models/{model}/metrics.json").read_text())["test"] for model in MODELS}
    main = {"single_label": "accuracy", "binary": "accuracy", "multi_label": "micro_f1", "regression": "rmse"}[name]
    one, both = (measured[model][main] for model in ("one", "both"))
    if name == "regression":
        # the values of a picture are whole numbers of 256, and the truth's deviation is 21
        assert both < 5 < one < 10 and measured["both"]["r2"] > 0.95
    elif name == "binary":
        assert one > 0.95 and both > 0.95, "one modality tells it all"
    else:
        assert both > 0.9 and both > one + 0.05
    with (tmp_path / "reports/models/both/test.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == measured["both"]["n"] == 100
    with (tmp_path / "reports/models/one/test.csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["0"] * 100 + ["1"] * 100
    each = json.loads((tmp_path / "reports/models/one/metrics.json").read_text())["seeds"]
    values = [each[seed]["test"][main] for seed in ("0", "1")]
    assert one == pytest.approx(np.mean(values)) and measured["one"][f"{main}_seeds_low"] <= min(values)
    assert list(rows[0])[:4] == ["seed", "id", "actual", "predicted"]
    if name == "regression":
        error = [float(row["actual"]) - float(row["predicted"]) for row in rows]
        assert math.sqrt(np.mean(np.square(error))) == pytest.approx(both, rel=1e-5)
    elif main == "accuracy":
        assert np.mean([row["actual"] == row["predicted"] for row in rows]) == both
    else:
        assert np.mean([row["actual"] == row["predicted"] for row in rows]) == pytest.approx(measured["both"]["exact_match"])
    write(list(MODELS), Report(bootstrap=200), tmp_path)
    with (tmp_path / "reports/leaderboard.csv").open() as file:
        table = list(csv.DictReader(file))
    assert list(table[0])[4:7] == [f"test_{main}", f"test_{main}_low", f"test_{main}_high"]
    order = [float(row[f"test_{main}"]) for row in table]
    assert order == sorted(order, reverse=name != "regression")
    page = (tmp_path / "reports/index.html").read_text()
    said = page.split('<p class="answer">')
    assert ("accuracy" in page) == (main == "accuracy")
    if name in ("multi_label", "regression", "single_label"):
        assert said[2].startswith("Fusion helps: the best one, both (concat) of first + second, "), said[2][:200]
    if name == "regression":
        assert "less than first alone (95 % interval \N{MINUS SIGN}" in said[2] and "nats" not in page
