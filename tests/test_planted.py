"""Planted truths: what each modality does is known, and real models, trained by the stages, and the report on them must say so."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from planted_project import SPLITS, build

from deconfuse.prepared import lengths, values
from deconfuse.restoring import restored
from stages import evaluate

Found = dict[str, pd.DataFrame]


def tables(root: Path, model: str = "concat") -> Found:
    folder = root / "reports/models" / model / "tables"
    return {path.stem: pd.read_csv(path, keep_default_na=False) for path in folder.glob("*.csv")}


def page(root: Path) -> str:
    return (root / "reports/index.html").read_text(encoding="utf-8")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Only the sound says which of three classes it is."""
    root = tmp_path_factory.mktemp("sound")

    def row(draw: np.random.Generator) -> tuple[int, dict[str, Any]]:
        label = int(draw.integers(3))
        return label, {"audio": label}

    build(root, ["low", "middle", "high"], {"audio": "audio", "image": "image", "text": "text"}, row)
    return root


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whether two words are the same: neither alone says anything."""
    root = tmp_path_factory.mktemp("pair")

    def row(draw: np.random.Generator) -> tuple[int, dict[str, Any]]:
        left, right = (int(number) for number in draw.integers(2, size=2))
        return int(left == right), {"left_text": ("no", "yes")[left], "right_text": ("no", "yes")[right]}

    left = {"encoders": {"left_text": "lstm"}, "width": 16}
    build(root, ["different", "same"], {"left_text": "text", "right_text": "text"}, row, left=left)
    return root


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound and a picture say half each of which of four classes it is; the text is noise."""
    root = tmp_path_factory.mktemp("noise")

    def row(draw: np.random.Generator) -> tuple[int, dict[str, Any]]:
        label = int(draw.integers(4))
        return label, {"audio": label // 2, "image": label % 2}

    build(root, list("abcd"), {"audio": "audio", "image": "image", "text": "text"}, row)
    return root


def test_where_only_sound_matters_it_has_all_the_credit(sound: Path) -> None:
    found = tables(sound)
    whole = found["subsets"].set_index("subset")["figure"]
    assert whole["audio+image+text"] > 0.9
    shapley = found["shapley"].set_index("modality")
    gained = whole["audio+image+text"] - whole[""]
    assert shapley.loc["audio", "value"] > 0.85 * gained and shapley.loc["audio", "low"] > 0
    for silent in ("image", "text"):
        assert shapley.loc[silent, "low"] <= 0 <= shapley.loc[silent, "high"], shapley
        assert abs(shapley.loc[silent, "value"]) < 0.05
    lost = found["perceptual"].set_index(["modality", "permuted"])["drop"]
    assert lost["audio", "all rows"] > 0.5 and abs(lost["image", "all rows"]) < 0.05 and abs(lost["text", "all rows"]) < 0.05
    assert found["emap"]["gap"].abs()[0] < 0.05, "with one modality there is no interaction"


def test_the_report_says_that_only_sound_matters(sound: Path) -> None:
    text = page(sound)
    assert "That image or text adds anything is not shown." in text or "That text or image adds anything is not shown." in text
    assert "Where one is missing, it loses most without audio: " in text
    assert "Of one modality alone, audio noise in audio hits concat most: it loses " in text


def test_where_only_the_pair_decides_each_alone_is_at_chance_and_interaction_is_all(pair: Path) -> None:
    found = tables(pair)
    subsets = found["subsets"].set_index("subset")
    assert subsets.loc["left_text+right_text", "figure"] > 0.97
    for alone in ("left_text", "right_text"):
        assert subsets.loc[alone, "low"] < 0.5 < subsets.loc[alone, "high"], subsets
    emap = found["emap"].iloc[0]
    assert (emap["method"], emap["n"]) == ("all pairs", SPLITS["test"])
    assert emap["gap"] > 0.3 and emap["low"] > 0.2 and emap["emap"] < 0.65
    shares = found["shapley"]["value"]
    assert shares.sum() == pytest.approx(subsets.loc["left_text+right_text", "figure"] - subsets.loc["", "figure"])
    assert (shares > 0.15).all(), "they share what only both together have"
    within = found["perceptual"][found["perceptual"]["permuted"] == "each class"]
    assert (within["drop"] > 0.3).all(), "among rows of the same class the ties between the words are broken"


def test_the_report_says_that_the_pair_decides(pair: Path) -> None:
    text = page(pair)
    assert "Its modalities act on each other: if it only added up what each says (EMAP)" in text
    assert "Fusion helps: the best one, concat of left_text + right_text, " in text


def test_what_is_noise_adds_nothing(noise: Path) -> None:
    found = tables(noise)
    subsets = found["subsets"].set_index("subset")["figure"]
    assert subsets["audio+image+text"] > 0.9 and subsets["audio"] < 0.7 and subsets["image"] < 0.7
    shapley = found["shapley"].set_index("modality")
    assert shapley.loc["text", "low"] <= 0 <= shapley.loc["text", "high"], shapley
    assert (shapley.loc[["audio", "image"], "low"] > 0.1).all()
    assert "That text adds anything is not shown." in page(noise)


def test_robustness_of_a_trained_model_falls_with_what_it_hears(sound: Path) -> None:
    found = tables(sound)["robustness"]
    curves = {key: list(rows["figure"]) for key, rows in found.groupby(["modality", "corruption"])}
    whole = tables(sound)["subsets"].set_index("subset")["figure"]["audio+image+text"]
    assert {figures[0] for figures in curves.values()} == {whole}, "level 0 is the data as it is"
    assert curves["audio", "audio_noise"][-1] < 0.7 < curves["audio", "audio_noise"][1]
    for key in [("image", "blur"), ("image", "image_noise"), ("image", "occlusion"), ("text", "typos")]:
        assert min(curves[key]) > whole - 0.08, key
    assert curves["all at once", "all at once"][-1] < 0.7


def test_the_same_project_gives_the_same_tables(pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in (pair / "reports/models/concat/tables").iterdir()}
    monkeypatch.chdir(pair)
    evaluate.main("concat")
    assert {path.name: path.read_bytes() for path in (pair / "reports/models/concat/tables").iterdir()} == before
    assert {"subsets.csv", "shapley.csv", "perceptual.csv", "emap.csv", "robustness.csv", "robustness_summary.csv"} <= set(before)


def test_raw_values_embedded_anew_are_what_the_model_reads(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What robustness corrupts is what `embed` read: without a corruption, the same bytes come out."""
    monkeypatch.chdir(sound)
    schema = json.loads(Path("data/prepared/schema.json").read_text())
    for name, told in schema["modalities"].items():
        spec = json.loads(Path(f"data/embedded/spec/{name}.json").read_text())
        array, steps = restored(spec, told)(values("test", name), lengths("test", name))
        folder = Path("data/embedded/test") / name
        assert np.array_equal(array, np.load(folder / "values.npy"))
        if steps is not None:
            assert np.array_equal(steps, np.load(folder / "length.npy"))
