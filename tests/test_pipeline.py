"""The pipeline as its users run it: real DVC, real git, real MLflow store, in a temporary clone."""

import csv
import hashlib
from pathlib import Path
from typing import Any

import pytest
from clone import Clone, runs

SMALL = {"data.limit": 120, "train.epochs": 2}
IMAGE, TEXT = {"encoders": {"image": "cnn"}}, {"encoders": {"text": "lstm"}}
BOTH = {"encoders": {"image": "cnn", "text": "lstm"}, "fusion": "concat"}
THREE = SMALL | {"models": {"image_cnn": IMAGE, "text_lstm": TEXT, "concat": BOTH}}


def digests(root: Path, pattern: str) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(root.glob(pattern)) if path.is_file()
    }


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with three models that has run once and is committed."""
    clone = Clone.make(tmp_path_factory.mktemp("three"))
    clone.edit(THREE)
    clone.run("dvc", "repro")
    clone.commit("first results")
    return clone


def test_a_second_run_does_nothing(three: Clone) -> None:
    assert three.run("dvc", "repro").ran == []


def test_an_edit_of_the_report_runs_the_report_alone(three: Clone) -> None:
    page = three.root / "deconfuse/reporting/page.py"
    before = page.read_text()
    page.write_text(before + "\n# edited\n")
    assert three.run("dvc", "repro").ran == ["report"]
    page.write_text(before)


def test_an_edit_of_one_model_retrains_that_one_alone(three: Clone) -> None:
    three.edit({"models.text_lstm.width": 16})
    done = three.run("dvc", "repro")
    assert [stage for stage in done.ran if stage != "download"] == ["train@text_lstm", "evaluate@text_lstm", "report"]
    assert len(runs(three.root)) == 4


def test_an_edit_taken_back_is_restored_and_its_run_is_found(three: Clone) -> None:
    three.edit({"models.text_lstm.width": ...})
    before = runs(three.root)
    done = three.run("dvc", "repro")
    assert [stage for stage in done.ran if stage.startswith("train")] == []
    three.run("python", "-m", "deconfuse.tracking")
    assert runs(three.root) == before


def test_a_model_more_and_a_model_less(three: Clone) -> None:
    three.edit({"models.text_other": TEXT | {"width": 8}, "models.image_cnn": ...})
    done = three.run("dvc", "repro")
    assert [stage for stage in done.ran if stage != "download"] == ["train@text_other", "evaluate@text_other", "report"]
    with (three.root / "reports/leaderboard.csv").open() as file:
        assert {row["model"] for row in csv.DictReader(file)} == {"concat", "text_lstm", "text_other"}
    three.edit({"models.text_other": ..., "models.image_cnn": IMAGE})
    three.run("dvc", "repro")


def test_two_cold_runs_give_the_same_bytes(three: Clone, tmp_path: Path) -> None:
    other = Clone.make(tmp_path)
    other.edit(THREE | {"lineup": {"workers": 2}})
    # side by side, too, and whatever memory held before
    assert "concat | Running stage 'train@concat':" in other.run("python", "-m", "deconfuse.lineup", MALLOC_PERTURB_="165").out
    for pattern in (
        "data/raw/video/*",
        "data/prepared/**/*",
        "data/embedded/**/*",
        "data/models/*/seeds/*/*",
        "reports/models/*/metrics.json",
        "data/models/*/history.csv",
        "reports/metrics.json",
    ):
        found = digests(other.root, pattern)
        # a model that was taken out of params leaves its files
        kept = {name: digest for name, digest in digests(three.root, pattern).items() if "text_other" not in name}
        assert found, pattern
        assert found == kept


def wrong(key: str, value: Any, *words: str) -> Any:
    return pytest.param({key: value}, words, id=key)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        wrong("models.image_cnn.encoders.image", "cmn", "models.image_cnn.encoders.image", "did you mean `cnn`"),
        wrong("train.epochs", -1, "train.epochs", "-1", "greater than or equal to 1"),
        wrong("models.image_cnn.encoders", {}, "models.image_cnn.encoders", "at least 1"),
        wrong("models.image_cnn.fusion", "concat", "models.image_cnn", "two modalities or more"),
        wrong("models", {}, "models", "at least 1"),
        wrong("data.digits", {"image": {"covered": 2}}, "data.digits.image.covered", "less than or equal to 1"),
    ],
)
def test_bad_params_stop_before_anything_is_lost(three: Clone, changes: dict[str, Any], words: tuple[str, ...]) -> None:
    params = (three.root / "params.yaml").read_text()
    before = digests(three.root, "data/models/**/*") | digests(three.root, "reports/**/*.*") | digests(three.root, "data/raw/*.*")
    three.edit(changes)
    try:
        alone = three.run("python", "-m", "stages.download", code=1)
        done = three.run("dvc", "repro", code=None)
    finally:
        (three.root / "params.yaml").write_text(params)
    assert done.code != 0
    for out in (alone.out, done.out):
        assert [word for word in words if word not in out] == []
        assert "Traceback" not in out
    assert before == digests(three.root, "data/models/**/*") | digests(three.root, "reports/**/*.*") | digests(three.root, "data/raw/*.*")
    assert three.run("dvc", "repro").ran in ([], ["download"])
