"""The registry's champion: the best by validation, dethroned only by a model that is shown to be better on the same rows."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import finished_project
import pytest

from deconfuse.kernel.files import read_json, write_json
from deconfuse.tracking import sync
from deconfuse.tracking.projection import Synced
from deconfuse.tracking.store import find

ROWS = {"train": 6, "val": 200, "test": 6}
SEED = "7"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three models of planted accuracy on 200 validation rows: 0.60, 0.62 and 0.90."""
    monkeypatch.setattr(finished_project, "SPLITS", ROWS)
    monkeypatch.setattr(finished_project, "write_raw", write_source)
    planted = {name: finished_project.Fake(("image",), None, right, 1) for name, right in (("low", 0.60), ("near", 0.62), ("high", 0.90))}
    finished_project.build(tmp_path, models=planted, kinds={"image": "image"})
    finished_project.make_servable(tmp_path, planted)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def write_source(folder: Path, *_: Any) -> None:
    write_json(folder / "source.json", {"digest": "first"})


def crowned(*models: str) -> str:
    synced = sync(list(models), "deconfuse")
    assert synced.problem is None
    return str(synced.champion)


def registry(root: Path) -> tuple[dict[str, int], dict[int, dict[str, str]]]:
    """Aliases, and the tags of every version."""
    with closing(sqlite3.connect(root / "mlflow.db")) as store:
        tags: dict[int, dict[str, str]] = {version: {} for (version,) in store.execute("SELECT version FROM model_versions")}
        for version, key, value in store.execute("SELECT version, key, value FROM model_version_tags"):
            tags[version][key] = value
        return dict(store.execute("SELECT alias, version FROM registered_model_aliases")), tags


def dump(root: Path) -> list[str]:
    with closing(sqlite3.connect(root / "mlflow.db")) as store:
        return list(store.iterdump())


def test_the_best_by_validation_is_registered_once(project: Path) -> None:
    assert crowned("low", "near", "high").startswith("high is champion: the first of this data, the best of 3 trainings by accuracy 90.0")
    aliases, tags = registry(project)
    assert set(aliases.values()) == {1}
    assert "champion" in aliases
    assert tags[1]["model"] == "high"
    assert tags[1]["sha256"] == read_json(Path("data/models/high/model.json"))["seeds"][SEED]["sha256"]
    before = dump(project)
    assert crowned("low", "near", "high") == "high is champion: it was so before"
    assert dump(project) == before


def test_of_two_syncs_in_a_row_the_first_tells_who_is_champion_and_why(project: Path) -> None:
    """As the report stage has them: the models' runs while the page is made, and then the report's."""
    first = sync(["low", "near", "high"], "deconfuse")
    both = sync(["low", "near", "high"], "deconfuse").after(first)
    assert both.champion == first.champion
    assert str(both).startswith("3 runs written, 0 already there; ")


def test_of_two_syncs_in_a_row_earlier_trainings_of_the_same_name_are_counted() -> None:
    first = Synced(written=["a"], updated=["b"], known=["a", "c"])
    both = Synced(written=["d"], known=["a", "a", "b", "c"]).after(first)
    assert (both.written, both.updated, both.known) == (["a", "d"], ["b"], ["a", "c"])
    assert Synced(problem="gone").after(first).known == []


def test_of_two_who_crown_the_same_at_once_one_version_is_left(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.tracking import MlflowClient

    create = MlflowClient.create_model_version

    def late(*words: Any) -> Any:
        # someone else is faster by a moment
        create(*words)
        return create(*words)

    monkeypatch.setattr(MlflowClient, "create_model_version", late)
    crowned("low")
    assert set(registry(project)[0].values()) == {1}
    assert [int(one.version) for one in find(project).client().search_model_versions()] == [1]


def test_a_champion_stays_where_another_is_not_shown_to_be_better(project: Path) -> None:
    crowned("low")
    told = crowned("low", "near")
    assert told.startswith("low (version 1) stays champion: near is not shown to be better, +2.0 points of accuracy (")
    aliases, tags = registry(project)
    assert (aliases["champion"], len(tags)) == (1, 1)
    assert tags[1]["deconfuse.challenge"] == told


def test_a_better_model_takes_the_title_and_the_tag_says_why(project: Path) -> None:
    crowned("low")
    told = crowned("low", "high")
    assert told.startswith("high is champion: +30.0 points of accuracy gained on low (version 1) (")
    assert told.endswith(": 97.5 % interval, paired bootstrap of 200 validation rows, best of 2 trainings)")
    aliases, tags = registry(project)
    assert aliases["champion"] == 2
    assert (tags[2]["model"], tags[2]["deconfuse.reason"]) == ("high", told)


def test_other_data_have_a_champion_of_their_own(project: Path) -> None:
    crowned("high")
    write_json(Path("data/raw/source.json"), {"digest": "second"})
    # much worse, but of other rows: nothing can be said
    assert crowned("low").startswith("low is champion: the first of this data")
    assert registry(project)[0]["champion"] == 2
    write_json(Path("data/raw/source.json"), {"digest": "first"})
    assert crowned("low").startswith("high (version 1) stays champion")
    aliases, tags = registry(project)
    assert (aliases["champion"], len(tags), len(aliases)) == (1, 2, 3)


def test_files_of_the_champion_are_found_where_the_project_was_moved_to(project: Path, tmp_path: Path, monkeypatch: Any) -> None:
    crowned("high")
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in ("data", "reports", "mlflow.db", "mlruns"):
        shutil.move(project / name, moved / name)
    monkeypatch.chdir(moved)
    monkeypatch.setenv("DVC_ROOT", str(moved))
    assert crowned("high") == "high is champion: it was so before"
    version = find(moved).client().get_model_version_by_alias("deconfuse", "champion")
    place = Path(str(version.source).removeprefix("file://"))
    assert place.is_relative_to(moved) and (place / "MLmodel").is_file()


def test_predictions_that_are_gone_do_not_keep_a_title(project: Path) -> None:
    crowned("low")
    (gone,) = (project / "mlruns").rglob("val.csv")
    gone.unlink()
    assert crowned("near").startswith("near is champion: low (version 1) has left no predictions")
