"""What the report says of planted diagnoses."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished_project import Fake, build
from scipy import stats

from deconfuse.params.report import Report
from deconfuse.reporting.diagnosis import stacks
from deconfuse.reporting.differences import welch_p
from deconfuse.reporting.page import write
from deconfuse.reporting.results import read
from deconfuse.reporting.twins import Twins, twins
from deconfuse.training.diagnosis import COLUMNS

OPTIONS = Report(samples=0, baselines=[])
SEEDS = (3, 5, 11)
EPOCHS = 5
CONV = ("conv", "conv", "linear")
TRANSPOSED = ("conv", "transposed_conv", "linear")
Ratios = tuple[float, ...]


def plant(root: Path, model: str, kinds: tuple[str, ...], ratios: Ratios, seeds: tuple[int, ...] = SEEDS, **further: Any) -> None:
    """A diagnosis.csv of one encoder in whose epochs, but before training, the first layer has so many times the gradient of the last with
    each seed; before training it is half of that.

    Args:
        further: columns of all rows, among them `weights`, of the first layer, and `checkerboards` by kind.
    """
    boards = further.pop("checkerboards", {"conv": 0.06, "transposed_conv": 0.48})
    rows = []
    for seed, ratio in zip(seeds, ratios, strict=True):
        for epoch in range(EPOCHS + 1):
            for depth, kind in enumerate(kinds, 1):
                first = (ratio if epoch else ratio / 2) if depth == 1 else 1.0
                row = dict.fromkeys(COLUMNS, "") | {"seed": seed, "epoch": epoch, "part": "image", "layer": f"encoders.image.{depth}"}
                row |= {"kind": kind, "depth": depth, "weights": 100 + depth, "gradient_norm": 2.5 * first, "weight_norm": 1.0}
                row |= {"update_ratio": 1e-3 * depth if epoch else "", "spread": 1.0, "activation_norm": 8.0, "delta_norm": 0.1}
                if kind != "linear":
                    row |= {"stride": 1, "dead_share": 0.25, "checkerboard": boards.get(kind, 0.06)}
                    row |= {"checkerboard_noise": 0.12}
                rows.append(row | further)
    pd.DataFrame(rows).to_csv(root / f"data/models/{model}/diagnosis.csv", index=False)


def project(root: Path, **models: dict[str, Any]) -> list[str]:
    """A finished project of image models with these encoders' options."""
    names = build(root, models={name: Fake(("image",), None, 0.7, place, SEEDS) for place, name in enumerate(models)})
    for name, options in models.items():
        path = root / f"data/models/{name}/run.json"
        run = json.loads(path.read_text())
        run["params"]["model"] = {"encoders": {"image": options}, "fusion": None}
        path.write_text(json.dumps(run))
    return names


def pair(root: Path, conv: Ratios, deconv: Ratios, **further: Any) -> list[str]:
    """A convolutional encoder and its transposed twin."""
    names = project(root, conv={"name": "cnn"}, deconv={"name": "deconvolution"})
    plant(root, "conv", CONV, conv)
    plant(root, "deconv", TRANSPOSED, deconv, **further)
    return names


def said(root: Path, names: list[str]) -> str:
    """The section in report.md."""
    write(names, OPTIONS, root)
    return (root / "reports/report.md").read_text().split("Does deconvolution do what is said of it?")[1].split("\n## ")[0]


def found(root: Path, names: list[str]) -> list[Twins]:
    return twins(stacks(read(names, root), root))


# ---- the outcome, whichever it is


def test_twins_that_differ_by_luck_are_not_shown_to_differ(tmp_path: Path) -> None:
    text = said(tmp_path, pair(tmp_path, (0.8, 0.6, 0.8 * 0.8 / 0.6), (0.9, 0.7, 0.9 * 0.9 / 0.7)))
    assert "is not shown: not in 1 pair of twins, alike but for it, trained with 3 seeds each (3, 5, 11)." in text
    one, other = np.log10([0.8, 0.6, 0.8 * 0.8 / 0.6]), np.log10([0.9, 0.7, 0.9 * 0.9 / 0.7])
    test = stats.ttest_ind(other, one, equal_var=False)
    low, high = (f"{10**value:.2g}" for value in test.confidence_interval(0.95))
    assert (
        "The gradient of the first layer is 0.9 times that of the last in deconv, 0.8 times in its twin conv (means over epochs; "
        f"1.1 times as much, 95 % interval over seeds {low} to {high}, p by Holm {test.pvalue:.2f}): no difference is shown."
    ) in text
    assert "In all 2 diagnosed encoders the first layer gets between a hundredth and a hundred times the last layer's gradient." in text


@pytest.mark.parametrize(
    ("deconv", "words"),
    [
        ((9e-4, 1e-3, 1.1e-3), ["less of it arrives", "less of it in deconv.", "reaches the first in deconv. In the other 1 "]),
        (
            (4e3, 5e3, 6e3),
            ["more of it arrives", "more of it in deconv.", "More than a hundred times the last layer's gradient is at the first in"],
        ),
    ],
)
def test_twins_that_differ_are_said_to(tmp_path: Path, deconv: Ratios, words: list[str]) -> None:
    text = said(tmp_path, pair(tmp_path, (0.7, 0.8, 0.9), deconv))
    assert "another share of the gradient through to the first layer" in text and all(word in text for word in words)


def test_a_single_seed_shows_nothing(tmp_path: Path) -> None:
    names = build(tmp_path, models={name: Fake(("image",), None, 0.7, 1, (3,)) for name in ("conv", "deconv")})
    for name, kinds, ratio in (("conv", CONV, 0.8), ("deconv", TRANSPOSED, 1e-6)):
        plant(tmp_path, name, kinds, (ratio,), (3,))
    text = said(tmp_path, names)
    assert "trained once" in text and "alike but for it, trained once; a single seed can show none." in text
    assert "no difference is shown" in text and "reaches the first in deconv." in text


def test_p_of_several_pairs_is_corrected(tmp_path: Path) -> None:
    """What one pair shows, at p = 0.03, is what one of three pairs can show by luck."""
    one, other = np.array([0.0, 0.05, 0.1]), np.array([0.14, 0.2, 0.26])
    assert 0.02 < stats.ttest_ind(one, other, equal_var=False).pvalue < 0.05
    assert welch_p(one, other) == pytest.approx(stats.ttest_ind(one, other, equal_var=False).pvalue)
    assert welch_p(one, other[:1]) is None and welch_p(np.ones(2), np.ones(2)) == 1.0 and welch_p(np.ones(2), np.zeros(2)) == 0.0
    root = tmp_path / "one"
    (alone,) = found(root, pair(root, tuple(10**one), tuple(10**other)))
    assert alone.flow.shown and alone.flow.value == pytest.approx(0.15)
    options = {f"{kind}{turn}": {"name": kind, "turn": turn} for turn in range(3) for kind in ("conv", "deconv")}
    names = project(tmp_path / "three", **options)
    for name in names:
        is_conv = name.startswith("conv")
        # layers of another size are no twins
        plant(
            tmp_path / "three", name, CONV if is_conv else TRANSPOSED, tuple(10 ** (one if is_conv else other)), weights=100 + int(name[-1])
        )
    several = found(tmp_path / "three", names)
    assert [(each.one.name, each.other.name) for each in several] == [(f"deconv{turn}", f"conv{turn}") for turn in range(3)]
    assert not any(each.flow.shown for each in several)


# ---- which are twins


def test_what_differs_in_more_than_its_kinds_is_no_twin(tmp_path: Path) -> None:
    names = pair(tmp_path, (0.8, 0.7, 0.9), (0.8, 0.7, 0.9))
    assert [str(each) for each in found(tmp_path, names)] == ["deconv and conv"]
    plant(tmp_path, "deconv", TRANSPOSED, (0.8, 0.7, 0.9), weights=7)
    assert found(tmp_path, names) == []
    plant(tmp_path, "deconv", TRANSPOSED, (0.8, 0.7, 0.9), stride=2)
    assert found(tmp_path, names) == [], "its maps are of another size"
    text = said(tmp_path, names)
    assert "has a convolutional twin beside it" in text and "is not known here" in text
    plant(tmp_path, "deconv", ("conv", "norm", "transposed_conv", "linear"), (0.8, 0.7, 0.9))
    assert found(tmp_path, names) == []
    plant(tmp_path, "deconv", TRANSPOSED, (0.8, 0.7, 0.9))
    path = tmp_path / "data/models/deconv/run.json"
    run = json.loads(path.read_text())
    run["params"]["train"]["learning_rate"] = 7.0
    path.write_text(json.dumps(run))
    assert found(tmp_path, names) == []


def test_network_deconvolution_is_set_beside_what_it_replaces(tmp_path: Path) -> None:
    arms = {norm: {"name": "cnn", "norm": norm, "repeat": 2} for norm in ("none", "batch", "network_deconvolution")}
    names = project(tmp_path, **arms, other={"name": "cnn", "norm": "none", "repeat": 1})
    plant(tmp_path, "none", CONV, (1e-6, 2e-6, 3e-6))
    plant(tmp_path, "batch", ("conv", "norm", "conv", "norm", "linear"), (0.8, 0.7, 0.9))
    plant(tmp_path, "network_deconvolution", ("network_deconvolution", "network_deconvolution", "linear"), (0.8, 0.7, 0.9))
    plant(tmp_path, "other", CONV, (1.0, 1.0, 1.0))
    pairs = found(tmp_path, names)
    assert [str(each) for each in pairs] == ["network_deconvolution and none", "network_deconvolution and batch"], (
        "the weakest gradient first"
    )
    assert [each.flow.shown for each in pairs] == [True, False]
    text = said(tmp_path, names)
    assert "No diagnosed model has a transposed convolution." in text
    # the planted histories are alike
    assert (
        "in place of batch norm" in text
        and "in place of no normalisation" in text
        and text.count("over seeds, p by Holm 1.00): no difference is shown. The") == 2
    )
    assert text.count("more of it arrives") == 1


# ---- the rest


def test_where_nothing_was_diagnosed_a_line_says_how_to(tmp_path: Path) -> None:
    text = said(tmp_path, build(tmp_path))
    assert "set train.diagnose to true" in text and not list((tmp_path / "reports/tables").glob("diagnosis*"))


def test_checkerboards_are_told_by_the_kinds_of_layers(tmp_path: Path) -> None:
    names = pair(tmp_path, (0.8, 0.7, 0.9), (0.8, 0.7, 0.9))
    text = said(tmp_path, names)
    assert (
        "Checkerboards, medians: transposed convolutions of stride 1 put 4 times (before training) and 4 times (after it) as much" in text
    )
    assert "white noise does (1 layer); convolutions put 0.5 times" in text and "(3 layers)." in text
    plant(tmp_path, "deconv", TRANSPOSED, (0.8, 0.7, 0.9), stride=2)
    assert "medians: transposed convolutions that enlarge their map put 4 times" in said(tmp_path, names)


def test_tables_hold_what_is_drawn_and_the_page_names_every_model(tmp_path: Path) -> None:
    names = pair(tmp_path, (0.8, 0.7, 0.9), (0.08, 0.07, 0.09))
    write(names, OPTIONS, tmp_path)
    tables = {path.stem: pd.read_csv(path) for path in (tmp_path / "reports/tables").glob("diagnosis*.csv")}
    assert set(tables) == {"diagnosis", "diagnosis_layers", "diagnosis_epochs", "diagnosis_twins"}
    row = tables["diagnosis"].set_index("model").loc["deconv"]
    assert row["ratio"] == pytest.approx((0.08 * 0.07 * 0.09) ** (1 / 3)) == pytest.approx(2 * row["ratio_before"])
    assert (row["layers"], row["transposed"], row["update_ratio"], row["dead_share"]) == (3, 1, pytest.approx(2e-3), pytest.approx(0.25))
    assert (row["checkerboard_transposed"], row["largest_gradient"]) == (pytest.approx(4.0), pytest.approx(2.5))
    by_layer = tables["diagnosis_layers"].query("model == 'conv' and measure == 'gradient_norm'")
    assert by_layer["place"].tolist() == [1, 2, 3] and by_layer["after"].iloc[1] == pytest.approx(2.5)
    assert by_layer["most"].iloc[0] == pytest.approx(2.5 * 0.9) and by_layer["before"].iloc[1] == pytest.approx(2.5)
    assert len(tables["diagnosis_epochs"]) == 2 * 3 * (EPOCHS + 1)
    page = (tmp_path / "reports/index.html").read_text()
    section = page.split('id="diagnosis"')[1].split("</section>")[0]
    assert section.count("<svg") == 1 and "nan" not in re.sub(r"<svg.*?</svg>", "", section, flags=re.DOTALL)
    for name in tables:
        assert f'href="tables/{name}.csv"' in section


def test_names_of_models_and_modalities_are_escaped(tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    build(tmp_path, models={"conv": Fake((hostile,), None, 0.7, 1, SEEDS)}, kinds={hostile: "image"})
    plant(tmp_path, "conv", CONV, (0.8, 0.7, 0.9), part=hostile)
    write(["conv"], OPTIONS, tmp_path)
    assert "<script" not in (tmp_path / "reports/index.html").read_text()
