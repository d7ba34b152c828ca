"""The report on what each modality does and on robustness: what it says of tables that are known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from finished_project import MODELS, Fake, build
from scipy import stats

from deconfuse.kernel.lookup import names, part
from deconfuse.params.report import Report
from deconfuse.reporting.charts_modalities import drawn, members
from deconfuse.reporting.charts_robustness import APART, name
from deconfuse.reporting.context import Context
from deconfuse.reporting.measures import ALL
from deconfuse.reporting.modalities import Findings, findings, sentences
from deconfuse.reporting.over_seeds import over_seeds
from deconfuse.reporting.page import gathered
from deconfuse.reporting.results import read
from deconfuse.reporting.robustness import robust
from deconfuse.reporting.robustness import sentences as said_of_robustness
from deconfuse.reporting.sections import modalities, robustness

ACCURACY, _, RMSE = ALL
SPACE, MINUS = "\N{NO-BREAK SPACE}", "\N{MINUS SIGN}"
FUSED = ("audio", "image", "text", "video")
FUSIONS = {
    "audio_cnn": MODELS["audio_cnn"],
    "concat": Fake(FUSED, "concat", 0.95, 4),
    "late": Fake(FUSED, "late", 0.9, 5),
    "pair": Fake(("audio", "image"), "concat", 0.8, 6),
}


def context(root: Path, models: dict[str, Fake]) -> Context:
    built = build(root, models=models)
    return gathered(read(built, root), Report(), root)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return context(tmp_path_factory.mktemp("finished"), FUSIONS)


# ---------------------------------------------------------------- over seeds


def test_what_was_found_with_each_seed_is_a_mean_with_students_interval() -> None:
    each = [0.2, 0.5, 0.3]
    table = pd.DataFrame(
        [
            {"seed": seed, "modality": modality, "value": sign * value}
            for seed, value in enumerate(each)
            for modality, sign in (("b", 1), ("a", 2))
        ]
    )
    rows = over_seeds(table, ["modality"], "value")
    low, high = stats.t.interval(0.95, 2, np.mean(each), stats.sem(each))
    assert [row["modality"] for row in rows] == ["b", "a"]
    assert rows[0]["value"] == pytest.approx(np.mean(each)) and rows[0]["half"] == pytest.approx((high - low) / 2)
    assert rows[1]["half"] == pytest.approx(high - low)
    alone = over_seeds(table[table["seed"] == 1], ["modality"], "value")
    assert [(row["value"], row["half"]) for row in alone] == [(0.5, None), (1.0, None)]
    assert over_seeds(None, ["modality"], "value") == []


# ---------------------------------------------------------------- what each modality does


def test_the_answer_says_what_each_modality_adds_and_what_is_not_shown(finished: Context) -> None:
    section = modalities.make(finished)
    assert section is not None
    brings, without, interaction = sentences(findings(finished)[0], ACCURACY)
    # 95 less 33.3, shared by three
    assert brings.startswith(
        "concat gains 61.7 points of accuracy over an answer without looking: audio +20.6 (+15.6 to +25.6), image +20.6 "
    )
    assert (
        f"text +20.6 (+15.6 to +25.6) and video 0.0 ({MINUS}5.0 to +5.0) (Shapley values with 95 % intervals over 40 test rows)." in brings
    )
    assert brings.endswith("That video adds anything is not shown.")
    assert without == f"Where one is missing, it loses most without audio: 74.4{SPACE}% (69.4 to 79.4) instead of 95.0{SPACE}%."
    assert interaction.startswith("That it gains by modalities acting on each other is not shown: ")
    assert interaction.endswith(
        f"it would have 94.0{SPACE}% instead of 95.0{SPACE}% on 40 test rows, a gap of +1.0 points ({MINUS}4.0 to +6.0)."
    )
    assert set(section.tables) == {"subsets", "shapley", "perceptual", "emap"}
    assert list(section.tables["shapley"]["model"].unique()) == ["concat", "late", "pair"]
    assert brings in str(section.body) and str(section.body).count("<svg") == 2
    assert section.markdown.startswith("concat gains 61.7 points of accuracy")


def test_a_model_of_several_seeds_has_means_and_says_so(tmp_path: Path) -> None:
    asked = context(tmp_path, {"concat": Fake(FUSED, "concat", 0.95, 4, seeds=(0, 1, 2))})
    found = findings(asked)[0]
    assert found.emap[0]["figure"] == pytest.approx(0.95 - 1 / 40)
    assert found.shapley[0]["half"] == pytest.approx(stats.t.ppf(0.975, 2) * np.std([0, 1 / 120, 2 / 120], ddof=1) / np.sqrt(3))
    assert "test rows, means over 3 seeds)" in sentences(found, ACCURACY)[0]
    section = modalities.make(asked)
    assert section is not None and "± over seeds" in section.body


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.01, 0.3, "Its modalities act on each other: "),
        (-0.3, -0.01, "That its modalities act on each other does harm: "),
        (0.0, 0.3, "That it gains by modalities acting on each other is not shown: "),
    ],
)
def test_interaction_is_shown_where_the_interval_leaves_0_out(finished: Context, low: float, high: float, words: str) -> None:
    found = findings(finished)[0]
    changed = replace(found, emap=[found.emap[0] | {"low": low, "high": high}])
    assert sentences(changed, ACCURACY)[-1].startswith(words)


def test_of_an_error_the_answer_says_what_is_taken_off(finished: Context) -> None:
    found = findings(finished)[0]
    brings, without, interaction = sentences(found, RMSE)
    assert brings.startswith("concat takes 0.6167 off the RMSE of an answer without looking: audio +0.2056 (+0.1556 to +0.2556)")
    # the largest error is that of all
    assert without.startswith("Where one is missing, it loses most without video: ")
    assert "points" not in brings + without + interaction


def test_a_model_that_learnt_nothing_gains_nothing(finished: Context) -> None:
    found = findings(finished)[0]
    nothing = replace(found, shapley=[row | {"value": 0.0, "low": -0.01, "high": 0.01} for row in found.shapley])
    text = sentences(nothing, ACCURACY)[0]
    assert text.startswith("concat gains nothing over an answer without looking: ")
    assert text.endswith("That audio, image, text or video adds anything is not shown.")


@pytest.mark.parametrize("kept", ["subsets", "shapley", "perceptual", "emap"])
def test_what_was_not_asked_is_left_out(tmp_path: Path, kept: str) -> None:
    asked = context(tmp_path, {"concat": FUSIONS["concat"]})
    for path in (tmp_path / "reports/models/concat/tables").glob("*.csv"):
        if path.stem != kept:
            path.unlink()
    section = modalities.make(asked)
    assert section is not None and set(section.tables) == {kept}
    assert robustness.make(asked) is None


def test_without_a_fusion_there_is_nothing_to_say(tmp_path: Path) -> None:
    asked = context(tmp_path, {"audio_cnn": MODELS["audio_cnn"]})
    assert modalities.make(asked) is None


def test_a_chart_of_many_modalities_has_the_telling_subsets(finished: Context) -> None:
    found = findings(finished)[0]
    rows = [row["subset"] for row in drawn(found, ACCURACY)]
    assert len(rows) == 16 and rows[0] == "audio+image+text+video" and rows[-1] == ""
    assert {rows[1], rows[2], rows[3], rows[4]} == {"audio+image+text", "audio+image+video", "audio+text+video", "image+text+video"}
    many = [f"m{place}" for place in range(6)]
    wide = Findings(
        replace(found.result, modalities=many),
        [{"subset": "", "shown": size, "figure": 0.5} for size in range(7) for _ in range(10)],
        [],
        [],
        [],
    )
    assert {row["shown"] for row in drawn(wide, ACCURACY)} == {0, 1, 5, 6}
    assert members({"subset": "a+b+c", "shown": 2}, ["a", "a+b", "c"]) == ("a+b", "c")


# ---------------------------------------------------------------- robustness


def test_the_answer_says_how_far_down_it_goes(finished: Context) -> None:
    found, baseline = robust(finished)
    falls, suffers, held = said_of_robustness(found, baseline, ACCURACY)
    assert falls == (
        f"Where all modalities get worse at once, concat goes from 95.0{SPACE}% to 33.3{SPACE}% (28.3 to 38.3), and has 64.2{SPACE}% "
        "(59.2 to 69.2) in the mean over all levels (95 % intervals over 40 test rows)."
    )
    assert (
        suffers
        == "Of one modality alone, audio noise in audio hits concat most: it loses 7.7 points in the mean over the levels (5.7 to 9.7)."
    )
    assert held == "That any fusion holds more or less than its clean accuracy explains, against late (effective robustness) is not shown."
    section = robustness.make(finished)
    assert section is not None and set(section.tables) == {"robustness", "robustness_summary"}
    assert section.body.count("<svg") == 7
    for corruption in names("corruptions"):
        assert part("corruptions", corruption).told in str(section.body).replace("&#39;", "'")


def test_effective_robustness_is_what_is_held_beyond_the_clean_figure(finished: Context) -> None:
    found, baseline = robust(finished)
    assert baseline is not None and baseline.result.name == "late"
    by_name = {one.result.name: one.effective for one in found}
    # concat loses (0.95 - 1/3) / 2 in the mean, late (0.9 - 1/3) / 2
    assert by_name["concat"] == pytest.approx((-0.025, -0.025 - np.hypot(0.02, 0.02), -0.025 + np.hypot(0.02, 0.02)))
    assert by_name["late"] is None and by_name["audio_cnn"] is None
    assert by_name["pair"] is None, "it reads other modalities"


def test_where_there_is_no_late_fusion_concat_is_the_baseline(tmp_path: Path) -> None:
    models = {"attention": Fake(FUSED, "attention", 0.6, 4), "concat": Fake(FUSED, "concat", 0.95, 5)}
    found, baseline = robust(context(tmp_path, models))
    assert baseline is not None and baseline.result.name == "concat"
    value, low, high = next(one.effective for one in found if one.result.name == "attention")
    assert value == pytest.approx(0.175) and 0 < low < value < high
    held = said_of_robustness(found, baseline, ACCURACY)[-1]
    assert held == (
        "More or less than its clean accuracy explains, against concat (effective robustness), holds: attention +17.5 (+14.7 to +20.3)."
    )


def test_of_a_single_modality_only_its_own_corruptions_are_told(tmp_path: Path) -> None:
    asked = context(tmp_path, {"audio_cnn": MODELS["audio_cnn"]})
    found, baseline = robust(asked)
    assert baseline is None
    assert len(said_of_robustness(found, baseline, ACCURACY)) == 1
    section = robustness.make(asked)
    assert section is not None and "effective" not in section.body and section.body.count("<svg") == 1


def test_that_nothing_is_lost_is_said_with_its_interval(finished: Context) -> None:
    found, _ = robust(finished)
    steady = replace(
        found[0], summary={kind: row | {"lost": 0.0, "lost_low": -0.01, "lost_high": 0.01} for kind, row in found[0].summary.items()}
    )
    suffers = said_of_robustness([steady], None, ACCURACY)[1]
    assert suffers.startswith("That concat loses anything where one modality alone gets worse is not shown: by ")


def test_names_at_the_ends_of_lines_do_not_lie_upon_each_other() -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.set_ylim(0, 100)
    labels: list[Any] = [(50.0, "a", "#000001"), (50.0, "b", "#000001"), (49.0, "c", "#000001"), (90.0, "d", "#000001")]
    name(axes, labels)
    at = sorted(text.get_position()[1] for text in axes.texts)
    assert np.diff(at).min() >= APART - 1e-9 and at[-1] == 0.9
