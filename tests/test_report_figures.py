"""The report's table of all figures: whole, named, and honest about which model is best by which."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from finished_project import MODELS, Fake, build
from test_metrics import planted

from deconfuse.kernel.lookup import names, part
from deconfuse.params.report import Report
from deconfuse.reporting import figures
from deconfuse.reporting.page import write
from deconfuse.reporting.results import read
from deconfuse.reporting.sections.figures import cell, half, said

BY_KEY = {figure.key: figure for figure in figures.ALL}


@pytest.mark.parametrize("task", names("metrics"))
def test_every_figure_has_a_name_and_its_good_end(task: str) -> None:
    """Predictions that are nearer the truth must be better by all of them."""
    metrics = part("metrics", task)()
    target, predicted = planted(task, np.random.default_rng(0), 300)
    truth = target if predicted.shape == target.shape else np.eye(predicted.shape[1])[target]
    found, nearer = (metrics.figures(target, each) for each in (predicted, 0.4 * truth + 0.6 * predicted))
    assert set(metrics.shown) <= found.keys() - {"n"} <= BY_KEY.keys()
    for key in found.keys() - {"n"}:
        assert (nearer[key] < found[key]) == BY_KEY[key].less_is_better, key
    assert BY_KEY[metrics.main].less_is_better == metrics.less_is_better


def test_all_figures_of_both_splits_are_in_the_table(tmp_path: Path) -> None:
    models = {name: Fake(fake.modalities, fake.fusion, fake.right, fake.luck, (3, 5)) for name, fake in MODELS.items()}
    write(build(tmp_path, models=models), Report(), tmp_path)
    table = pd.read_csv(tmp_path / "reports/tables/figures.csv").set_index(["model", "split", "measure"])
    for model in models:
        metrics = json.loads((tmp_path / f"reports/models/{model}/metrics.json").read_text())
        for split in ("test", "val"):
            for key in metrics[split].keys() & BY_KEY.keys():
                row, end = table.loc[(model, split, key)], metrics[split]
                assert row["value"] == pytest.approx(end[key]) and (row["n"], row["seeds"]) == (end["n"], 2)
                told = [row[name] for name in ("low", "high", "seeds_low", "seeds_high")]
                assert told == pytest.approx([end[f"{key}_{name}"] for name in ("low", "high", "seeds_low", "seeds_high")])
    page = (tmp_path / "reports/index.html").read_text()
    for words in ("By all 7 measures concat is best on 40 test rows.", "macro-F1", "Brier score", "8 validation rows"):
        assert words in page
    assert "macro recall" not in page, "where every class has a test row it is balanced accuracy"


def test_which_model_is_best_by_which_measure_is_said(tmp_path: Path) -> None:
    names = build(tmp_path)
    for model, key, value in (("text_lstm", "loss", 0.01), ("text_lstm", "brier", 0.01), ("audio_cnn", "auroc", 0.999)):
        path = tmp_path / f"reports/models/{model}/metrics.json"
        metrics = json.loads(path.read_text())
        metrics["test"][key] = value
        path.write_text(json.dumps(metrics))
    results = read(names, tmp_path)
    shown = [BY_KEY[key] for key in ("accuracy", "macro_f1", "auroc", "loss", "brier")]
    assert said(results, shown) == (
        "By accuracy and 1 of the 4 other measures concat is best on 40 test rows; by AUROC it is audio_cnn; "
        "by log loss and Brier score it is text_lstm."
    )


def test_figures_are_shown_as_their_kind_wants() -> None:
    found = {"accuracy": 0.8125, "accuracy_low": 0.7, "accuracy_high": 0.9, "accuracy_seeds_high": 0.85, "loss": 0.51234, "rmse": 1234.5}
    assert cell(BY_KEY["accuracy"], found) == ("81.2\N{NO-BREAK SPACE}%", "70.0 to 90.0")
    assert half(BY_KEY["accuracy"], found) == "\N{PLUS-MINUS SIGN}\N{NO-BREAK SPACE}3.7"
    assert cell(BY_KEY["loss"], found) == ("0.512", "") and half(BY_KEY["loss"], found) == ""
    assert cell(BY_KEY["rmse"], found)[0] == "1,234" and cell(BY_KEY["auroc"], found) == ("", "")
