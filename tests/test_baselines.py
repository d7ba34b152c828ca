"""The baselines: what is learnt from planted features, of all tasks, and how modalities become features."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished_project import MODELS, Fake, build
from sklearn.neighbors import KNeighborsClassifier

from deconfuse.baselines import Baseline
from deconfuse.baselines._reduced import reduced
from deconfuse.baselines._rows import read, thinned
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, part
from deconfuse.params.report import Report
from deconfuse.reporting import page, rivals
from deconfuse.reporting.page import write
from deconfuse.reporting.results import read as results_of
from deconfuse.reporting.sections import comparisons, leaderboard
from deconfuse.reporting.verdicts import reached


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of the sections under test alone."""
    monkeypatch.setattr(page, "SECTIONS", (leaderboard, comparisons))


TASKS = ("single_label", "binary", "multi_label", "regression")
every = pytest.mark.parametrize("name", names("baselines"))


def planted(task: str, rows: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Features (N, 3) that tell the target (N, K)."""
    x = draw.normal(size=(rows, 3))
    if task == "regression":
        return x, x[:, :1] * 2 + 5
    if task == "multi_label":
        return x, (x[:, :2] > 0.3).astype(float)
    label = x[:, :2].argmax(1) if task == "binary" else x.argmax(1)
    return x, np.eye(2 if task == "binary" else 3)[label]


# ---------------------------------------------------------------- the contract


@every
@pytest.mark.parametrize("task", TASKS)
def test_a_baseline_answers_for_every_setting(name: str, task: str) -> None:
    draw = np.random.default_rng(0)
    (x, target), (test, goal) = planted(task, 200, draw), planted(task, 100, draw)
    baseline: Baseline = part("baselines", name)()
    assert baseline.title(task)
    found = dict(baseline.fit(x, target, task)(test))
    assert len(found) == {"majority": 1}.get(name, 5)
    for said in found.values():
        assert said.shape == goal.shape and np.isfinite(said).all()
        if task in ("single_label", "binary"):
            np.testing.assert_allclose(said.sum(1), 1)
        if task != "regression":
            assert said.min() >= 0 and said.max() <= 1
    error = min(np.square(said - goal).mean() for said in found.values())
    chance = np.square(target.mean(0) - goal).mean()
    assert error == pytest.approx(chance) if name == "majority" else error < 0.3 * chance


@every
@pytest.mark.parametrize("task", TASKS)
def test_few_rows_and_classes_that_none_has_will_do(name: str, task: str) -> None:
    x, target = planted(task, 2, np.random.default_rng(0))
    target = target if task == "regression" else np.pad(np.ones((2, 1)), ((0, 0), (0, target.shape[1] - 1)))
    for said in dict(part("baselines", name)().fit(x, target, task)(x)).values():
        np.testing.assert_allclose(said.mean(0), target.mean(0), atol=1e-6)


def test_neighbours_are_scikit_learns() -> None:
    draw = np.random.default_rng(0)
    (x, target), (test, _) = planted("single_label", 80, draw), planted("single_label", 20, draw)
    found = dict(part("baselines", "neighbours")(k=[4, 2]).fit(x, target, "single_label")(test))
    for k in (2, 4):
        reference = KNeighborsClassifier(k).fit(x, target.argmax(1)).predict_proba(test)
        np.testing.assert_allclose(found[f"k = {k}"], reference)


# ---------------------------------------------------------------- features


def test_numbers_are_centred_reduced_and_scaled_by_train_rows() -> None:
    draw = np.random.default_rng(0)
    values = (draw.normal(size=(90, 5)) @ draw.normal(size=(5, 300)) * draw.uniform(1, 50, 300) + 100).astype(np.float32)
    values[:, 7] = 3
    change = reduced(values, np.full(90, True), 0, 0)
    x = change(values, np.full(90, True))
    assert x.shape == (90, 64)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    assert x.var(0).sum() == pytest.approx(1)
    assert x.var(0)[:5].sum() == pytest.approx(1, abs=1e-3), "five directions hold all of it"
    # distances are kept, and by the train rows' statistics alone
    standard = (values - values.mean(0)) / np.where(values.std(0) > 0, values.std(0), 1)
    ratio = np.linalg.norm(x[:30, None] - x[None, :30], axis=-1)[0, 1:] / np.linalg.norm(standard[0] - standard[1:30], axis=1)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)
    np.testing.assert_allclose(change(values[:1] * 2, np.array([True])), change(values[:2] * 2, np.full(2, True))[:1], atol=1e-5)


def test_tokens_are_weighted_bags() -> None:
    tokens = np.array([[2, 3, 0], [3, 2, 2], [4, 0, 0], [3, 4, 0]])
    x = reduced(tokens, np.full(4, True), 5, 0)(np.array([[2, 3, 0], [3, 2, 0], [2, 2, 3]]), np.full(3, True))
    assert x.shape == (3, 5)
    np.testing.assert_allclose(x[0], x[1], err_msg="order does not count")
    np.testing.assert_allclose(x[:, 0], x[0, 0], err_msg="padding is no token")
    assert x[2, 2] > x[0, 2]
    wide = np.random.default_rng(0).integers(1, 500, (200, 20))
    assert reduced(wide, np.full(200, True), 500, 0)(wide, np.full(200, True)).shape == (200, 64)


@pytest.mark.parametrize("vocabulary", [0, 9])
def test_a_missing_modality_is_the_mean_and_a_mark(vocabulary: int) -> None:
    values = np.random.default_rng(0).integers(1, 9, (30, 4))
    present = np.arange(30) % 3 > 0
    change = reduced(values, present, vocabulary, 0)
    x = change(values, present)
    np.testing.assert_array_equal(x[:, -1], ~present)
    assert not x[~present, :-1].any()
    other = np.where(present[:, None], values, 5)
    np.testing.assert_array_equal(change(other, present), x, err_msg="what is not there has no influence")
    np.testing.assert_array_equal(reduced(other, present, vocabulary, 0)(other, present), x)
    assert not reduced(values, np.full(30, False), vocabulary, 0)(values, present).any()


def test_large_samples_are_averaged_down() -> None:
    picture = np.ones((2, 3, 224, 224), np.float32)
    assert thinned(picture, "image").shape == (2, 3, 28, 56) and (thinned(picture, "image") == 1).all()
    frames = np.arange(130, dtype=np.float32).reshape(1, 130, 1) * np.ones((1, 130, 768), np.float32)
    small = thinned(frames, "frames")
    assert small.shape == (1, 8, 768) and small[0, 0, 0] == np.arange(16).mean(), "features are not mixed"
    assert thinned(np.ones((1, 1, 20_000), np.float32), "frames").shape == (1, 1, 20_000)


# ---------------------------------------------------------------- in the report


def measured(root: Path, models: dict[str, Fake] | None = None, options: Report | None = None, **project: Any) -> list[rivals.Rival]:
    results = results_of(build(root, models=models or MODELS, **project), root)
    return rivals.measured(results, options or Report(), root, json.loads((root / "data/prepared/schema.json").read_text()))


def test_baselines_find_what_is_there_and_no_more(tmp_path: Path) -> None:
    found = {(one.title, one.modalities): one for one in measured(tmp_path, telling=["text", "image"])}
    every = ("audio", "image", "text", "video")
    assert {modalities for title, modalities in found if title == "logistic regression"} == {*((name,) for name in every), every}
    assert [modalities for title, modalities in found if title == "the commonest class"] == [()]
    chance = found["the commonest class", ()].value
    for modalities, least, most in ((("audio",), 0.1, 0.6), (("image",), 0.9, 1), (("text",), 0.8, 1), (every, 0.7, 1)):
        one = found["logistic regression", modalities]
        assert least <= one.value <= most and one.bounds[0] < one.value <= one.bounds[1]
        assert one.terms[0, :, 1].mean() == pytest.approx(one.value)
    assert 0.2 < chance < 0.5
    # the row that lacks the modality is where its baselines must guess
    results = results_of(list(MODELS), tmp_path)
    assert rivals.best(list(found.values()), ["image"], results[0].measure).modalities == ("image",)


def test_a_set_of_modalities_that_a_model_reads_has_its_own(tmp_path: Path) -> None:
    models = MODELS | {"two": Fake(("audio", "text"), "concat", 0.8, 5)}
    found = measured(tmp_path, models, Report(baselines=[{"name": "linear", "c": [2.0]}]))
    assert [one.modalities for one in found][4:] == [("audio", "text"), ("audio", "image", "text", "video")]
    assert {one.setting for one in found} == {"C = 2"}


def test_validation_chooses_the_setting(tmp_path: Path) -> None:
    # twelve neighbours are all of the train rows
    options = Report(baselines=[{"name": "neighbours", "k": [1, 12]}])
    found = {one.modalities: one.setting for one in measured(tmp_path, options=options, telling=["image"])}
    assert found[("image",)] == "k = 1"


def test_large_splits_are_capped_and_the_comparison_is_of_the_same_rows(tmp_path: Path) -> None:
    options = Report(baseline_rows=10)
    # the order of the ids as text is not that of the rows
    found = measured(tmp_path, options=options, telling=["image"], identifier="{:b}")
    assert {(one.trained, len(one.rows), one.terms.shape[1]) for one in found} == {(10, 10, 10)}
    results = results_of(list(MODELS), tmp_path)
    verdicts = reached(results, options, tmp_path, json.loads((tmp_path / "data/prepared/schema.json").read_text()))
    for name, one in verdicts.rival.items():
        result = next(result for result in results if result.name == name)
        mine = result.predictions.iloc[verdicts.rivals[0].rows]
        assert one.found.value == pytest.approx((mine["actual"] == mine["predicted"]).mean() - one.against.terms[0, :, 1].mean())
    rows = read(tmp_path, "test", ["audio", "image", "text", "video"], 10, 0)
    assert list(results[0].predictions.index[verdicts.rivals[0].rows]) == rows.ids
    write(list(MODELS), options, tmp_path)
    assert "measured on 10 test rows, both drawn at random" in (tmp_path / "reports/index.html").read_text()


def test_a_model_that_does_not_beat_its_baseline_is_marked(tmp_path: Path) -> None:
    names_ = build(tmp_path, telling=["image"])
    write(names_, Report(samples=0), tmp_path)
    table = pd.read_csv(tmp_path / "reports/tables/against_baselines.csv", index_col="model")
    assert table.loc["image_cnn", "against"] in ("logistic regression of image", "k-nearest neighbours of image")
    assert table["verdict"].to_dict() == {"concat": "better", "image_cnn": "worse", "audio_cnn": "better", "text_lstm": "not shown"}
    text = (tmp_path / "reports/index.html").read_text()
    rows = {name: text.split(f">●</span> {name.replace('_', '_<wbr>')}")[1].split("</tr>")[0] for name in ("image_cnn", "text_lstm")}
    assert "better than the model" in rows["image_cnn"] and "not shown to be beaten" in rows["text_lstm"]
    assert ", but worse than " in text.split('<p class="answer">')[1]


def test_where_nothing_beats_its_baseline_the_answer_says_so(tmp_path: Path) -> None:
    models = {"image_cnn": Fake(("image",), None, 0.7, 1), "both": Fake(("audio", "image"), "concat", 0.8, 2)}
    write(build(tmp_path, models=models, telling=["image", "audio"]), Report(samples=0), tmp_path)
    first = (tmp_path / "reports/report.md").read_text().splitlines()[2]
    assert first.startswith("No model is shown to be better than a simple baseline: both, the best one, is right on ")


def test_no_baselines_are_no_words_of_them(tmp_path: Path) -> None:
    assert measured(tmp_path, options=Report(baselines=[])) == []
    write(list(MODELS), Report(baselines=[], samples=0), tmp_path)
    text = (tmp_path / "reports/index.html").read_text()
    assert "baseline" not in text.split("</style>")[1] and not (tmp_path / "reports/tables/baselines.csv").exists()


@pytest.mark.parametrize(
    ("path", "damage", "told"),
    [
        ("data/embedded/test/image/values.npy", None, "is missing; run `dvc repro`"),
        ("data/embedded/test/image/values.npy", b"\x93NUMPY", "damaged or cut off"),
        ("data/prepared/test/rows/id.json", json.dumps([f"row-{i}" for i in range(30)]).encode(), "has 40 rows where the split has 30"),
        ("data/prepared/test/rows/id.json", json.dumps([f"other-{i}" for i in range(40)]).encode(), "was evaluated on other rows"),
    ],
)
def test_data_that_do_not_fit_are_named(tmp_path: Path, path: str, damage: bytes | None, told: str) -> None:
    build(tmp_path)
    if damage is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_bytes(damage)
    with pytest.raises(UserError, match=told):
        write(list(MODELS), Report(samples=0), tmp_path)
