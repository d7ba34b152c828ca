"""Which models are compared, and what the report says of planted truths: in its answer, its page, its tables and its Markdown."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from finished_project import MODELS, Fake, build

from deconfuse.kernel.errors import UserError
from deconfuse.params.report import Pair, Report
from deconfuse.reporting import page
from deconfuse.reporting.answer import answer
from deconfuse.reporting.comparisons import deconvolutions
from deconfuse.reporting.page import write
from deconfuse.reporting.results import read
from deconfuse.reporting.sections import comparisons, leaderboard
from deconfuse.reporting.verdicts import reached

FULL = Report(samples=0)
ALONE = Report(samples=0, baselines=[])
THREE = {name: fake._replace(seeds=(3, 5, 11)) for name, fake in MODELS.items()}


@pytest.fixture(autouse=True)
def short(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of the sections under test, but for one where no other section may say more."""
    if request.node.name != "test_of_shuffled_labels_the_report_says_that_all_is_chance[seeds0]":
        monkeypatch.setattr(page, "SECTIONS", (leaderboard, comparisons))


def said(root: Path, options: Report = ALONE, **project: Any) -> tuple[str, str]:
    """The answer of a project built with these arguments."""
    results = read(build(root, **project), root)
    return answer(results, reached(results, options, root, json.loads((root / "data/prepared/schema.json").read_text())))


def pairs(root: Path, models: Mapping[str, Fake], options: Report = ALONE) -> dict[tuple[str, str], str]:
    """What is compared, and the verdicts."""
    results = read(build(root, models=models), root)
    return {(one.model.name, one.against.name): one.verdict for one in reached(results, options, root, {}).declared}


# ---------------------------------------------------------------- which


def test_each_fusion_is_compared_with_the_best_single_modality_by_validation(tmp_path: Path) -> None:
    models = {
        **{"image_cnn": Fake(("image",), None, 0.6, 1), "audio_cnn": Fake(("audio",), None, 0.5, 2)},
        **{name: Fake(("audio", "image"), name, 0.9, 3) for name in ("concat", "attention")},
    }
    assert pairs(tmp_path / "a", models) == {("concat", "image_cnn"): "better", ("attention", "image_cnn"): "better"}
    root = tmp_path / "b"
    build(root, models=models)
    path = root / "reports/models/audio_cnn/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["val"]["accuracy"] = 0.99
    path.write_text(json.dumps(metrics))
    results = read(list(models), root)
    assert {one.against.name for one in reached(results, ALONE, root, {}).declared} == {"audio_cnn"}, "whatever the test rows say"


def test_a_deconvolution_is_compared_with_its_closest_twin(tmp_path: Path) -> None:
    both = ("audio", "image")
    models = {
        **{"image_cnn": Fake(("image",), None, 0.7, 1), "image_deconvolution": Fake(("image",), None, 0.6, 2, encoder="deconvolution")},
        **{"concat": Fake(both, "concat", 0.8, 3), "deconvolution": Fake(both, "deconvolution", 0.8, 4)},
        "deep": Fake(both, "deconvolution", 0.8, 5, encoder="deconvolution"),
        "attention": Fake(both, "attention", 0.8, 6),
        "audio_deconvolution": Fake(("audio",), None, 0.5, 7, encoder="deconvolution"),
    }
    results = read(build(tmp_path, models=models), tmp_path)
    found = {one.model.name: one.against.name for one in deconvolutions(results)}
    assert found == {"image_deconvolution": "image_cnn", "deconvolution": "concat", "deep": "deconvolution"}
    path = tmp_path / "data/models/concat/run.json"
    run = json.loads(path.read_text())
    run["params"]["train"]["seeds"] = [5, 6]
    path.write_text(json.dumps(run))
    assert "deconvolution" in {one.model.name for one in deconvolutions(read(list(models), tmp_path))}, "other seeds are no other model"
    run["params"]["train"]["learning_rate"] = 1.0
    path.write_text(json.dumps(run))
    assert "deconvolution" not in {one.model.name for one in deconvolutions(read(list(models), tmp_path))}, "no twin learns otherwise"


def test_params_say_what_is_compared(tmp_path: Path) -> None:
    options = ALONE.model_copy(
        update={"comparisons": [Pair(model="audio_cnn", against="text_lstm"), Pair(model="text_lstm", against="concat")]}
    )
    assert pairs(tmp_path / "a", MODELS, options) == {("audio_cnn", "text_lstm"): "not shown", ("text_lstm", "concat"): "worse"}
    _, second = said(tmp_path / "b", options)
    assert second.startswith(
        "Of the 2 comparisons that params name, 1 shows a difference: text_lstm is worse than concat (\N{MINUS SIGN}45.0 points, "
    )
    none = ALONE.model_copy(update={"comparisons": []})
    assert "what helps is not said" in said(tmp_path / "c", none)[1]
    wrong = ALONE.model_copy(update={"comparisons": [Pair(model="audio", against="concat")]})
    with pytest.raises(UserError, match=r"report\.comparisons names 'audio'.*concat, image_cnn"):
        pairs(tmp_path / "d", MODELS, wrong)


def test_the_report_says_who_chose_the_comparisons(tmp_path: Path) -> None:
    names = build(tmp_path)
    for pairs, told in ((None, "by the default rule"), ([Pair(model="concat", against="text_lstm")], "that params name")):
        write(names, ALONE.model_copy(update={"comparisons": pairs}), tmp_path)
        assert told in section(tmp_path)
        table = pd.read_csv(tmp_path / "reports/tables/comparisons.csv")
        assert set(table["why"]) == {"fusion against the best single modality" if pairs is None else "named in params"}


def test_many_comparisons_need_smaller_ps(tmp_path: Path) -> None:
    """The same difference, alone and beside nine others that are none."""
    models = {"image_cnn": Fake(("image",), None, 0.6, 1), "good": Fake(("audio", "image"), "concat", 0.85, 2)}
    alone = pairs(tmp_path / "a", models)
    assert alone == {("good", "image_cnn"): "better"}
    more = models | {f"fusion{number}": Fake(("audio", "image"), "concat", 0.6, 9 + number) for number in range(9)}
    assert pairs(tmp_path / "b", more)[("good", "image_cnn")] == "not shown"


# ---------------------------------------------------------------- planted truths


def section(root: Path) -> str:
    """The text of the page's section."""
    text = (root / "reports/index.html").read_text()
    return " ".join(re.sub(r"<[^>]+>", " ", text.split('<section id="comparisons">')[1].split("</section>")[0]).split())


def everything(root: Path) -> str:
    """The page's answer and section, and all of report.md but its title, which asks."""
    answers = " ".join(re.findall(r'<p class="answer">(.*?)</p>', (root / "reports/index.html").read_text()))
    return " ".join([answers, section(root), *(root / "reports/report.md").read_text().splitlines()[1:]])


SHUFFLED = {name: fake._replace(right=1 / 3, luck=fake.luck + 10) for name, fake in MODELS.items()}
SAME = {"image_cnn": Fake(("image",), None, 0.7, 1), "both": Fake(("audio", "image"), "attention", 0.7, 1)}


@pytest.mark.parametrize("seeds", [(7,), (3, 5, 11)])
def test_of_shuffled_labels_the_report_says_that_all_is_chance(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    names = build(tmp_path, models={name: fake._replace(seeds=seeds) for name, fake in SHUFFLED.items()})
    write(names, FULL, tmp_path)
    told = everything(tmp_path)
    assert len(re.findall("No model is shown to be better than chance: [a-z_\\\\]+, the best one, is right on ", told)) == 2
    assert ", against the commonest class (32.5\N{NO-BREAK SPACE}%; difference " in told
    assert told.count("No gain by fusion is shown: the best one, ") == 2
    assert not re.search(r"\bhelps\b", told)
    for name in ("comparisons", "against_baselines"):
        assert "better" not in set(pd.read_csv(tmp_path / f"reports/tables/{name}.csv")["verdict"])


def test_better_than_one_below_chance_is_no_gain(tmp_path: Path) -> None:
    models = {"image_cnn": Fake(("image",), None, 0.0, 1), "both": Fake(("audio", "image"), "concat", 1 / 3, 2)}
    first, second = said(tmp_path, Report(samples=0, baselines=[{"name": "majority"}]), models=models)
    assert first.startswith("No model is shown to be better than chance: both, the best one, ")
    assert second.startswith("No gain by fusion is shown: ") and "32.5 points more than image alone (95 % interval +" in second


@pytest.mark.parametrize("seeds", [(7,), (3, 5, 11)])
def test_of_identical_models_nothing_is_shown(tmp_path: Path, seeds: tuple[int, ...]) -> None:
    names = build(tmp_path, models={name: fake._replace(seeds=seeds) for name, fake in SAME.items()})
    write(names, FULL, tmp_path)
    table = pd.read_csv(tmp_path / "reports/tables/comparisons.csv")
    assert table[["difference", "low", "high", "p", "p_holm", "verdict"]].to_numpy().tolist() == [[0, 0, 0, 1, 1, "not shown"]]
    told = everything(tmp_path)
    assert "No gain by fusion is shown: the best one, both (attention) of audio + image, " in told
    assert "0.0 points more than image alone (95 % interval 0.0 to 0.0" in told
    assert "Not shown to be better or worse than image_cnn: both." in told
    assert not re.search(r"\bhelps\b", told)


@pytest.mark.parametrize("models", [MODELS, THREE])
def test_of_a_better_fusion_the_report_says_that_it_helps(tmp_path: Path, models: dict[str, Fake]) -> None:
    write(build(tmp_path, models=models), FULL, tmp_path)
    table = pd.read_csv(tmp_path / "reports/tables/comparisons.csv").iloc[0]
    assert (table["model"], table["against"], table["verdict"]) == ("concat", "image_cnn", "better")
    assert table["difference"] == pytest.approx(0.25) and table["seeds"] == len(models["concat"].seeds) and table["rows"] == 40
    told = everything(tmp_path)
    assert told.count("Fusion helps: the best one, concat of audio + image + text + video, is right on ") == 2
    assert told.count("25.0 points more than image alone (95 % interval +") == 2
    assert "Better than image_cnn: concat." in told


def test_fusion_that_is_worse_does_not_help(tmp_path: Path) -> None:
    models = {"image_cnn": Fake(("image",), None, 0.9, 1), "both": Fake(("audio", "image"), "attention", 0.3, 1)}
    _, second = said(tmp_path, models=models)
    assert second.startswith("Fusion does not help here")
    assert "60.0 points less than image alone" in second


def test_the_answer_and_the_verdicts_are_of_the_same_numbers(tmp_path: Path) -> None:
    write(build(tmp_path, models=THREE), FULL, tmp_path)
    against = pd.read_csv(tmp_path / "reports/tables/against_baselines.csv")
    assert (against["seeds_half_width"] > 0).all() and (against["seeds_against"] == 1).all()
    row = pd.read_csv(tmp_path / "reports/tables/comparisons.csv").iloc[0]
    low, high, half = (100 * row[name] for name in ("low", "high", "seeds_half_width"))
    told = f"95 % interval +{low:.1f} to +{high:.1f} over test rows, ± {half:.1f} over seeds"
    assert everything(tmp_path).replace("\N{NO-BREAK SPACE}", " ").count(told) == 3, "page and Markdown, and its table"


def test_the_other_fusions_that_help_are_named(tmp_path: Path) -> None:
    """The best by validation is one that the test rows do not confirm."""
    root, models = tmp_path, {"image_cnn": Fake(("image",), None, 0.6, 1), "good": Fake(("audio", "image"), "concat", 0.9, 2)}
    names = build(root, models=models | {"lucky": Fake(("audio", "image"), "attention", 0.6, 3)})
    path = root / "reports/models/lucky/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["val"]["accuracy"] = 1.0
    path.write_text(json.dumps(metrics))
    results = read(names, root)
    _, second = answer(results, reached(results, ALONE, root, {}))
    assert second.startswith("No gain by fusion is shown: the best one, lucky (attention)")
    assert second.endswith("; good is shown to be better.")


@pytest.mark.parametrize(
    ("models", "sentence", "told"),
    [
        ({"image_cnn": MODELS["image_cnn"]}, 1, "No fusion is in the line-up"),
        ({"concat": MODELS["concat"]}, 0, "No model of one modality alone is in the line-up"),
    ],
)
def test_a_line_up_of_one_kind_says_what_it_lacks(tmp_path: Path, models: dict[str, Fake], sentence: int, told: str) -> None:
    names = build(tmp_path, models=models)
    results = read(names, tmp_path)
    assert told in answer(results, reached(results, ALONE, tmp_path, {}))[sentence]
    write(names, ALONE, tmp_path)
    text = (tmp_path / "reports/index.html").read_text()
    assert told in text and 'id="comparisons"' not in text, "there is nothing to compare"
