"""A served model answers raw media and texts as `evaluate` did, and refuses what it cannot answer."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import served_project

from deconfuse.kernel.errors import UserError
from deconfuse.serving import bundle
from deconfuse.serving.limits import RequestError
from deconfuse.serving.served import Served
from deconfuse.shapley import shapley

TASKS: dict[str, tuple[list[str], Any]] = {
    "binary": (["no", "yes"], "binary"),
    "multi_label": (["red", "blue", "red;blue"], "multi_label"),
    "regression": (["1.5", "2", "-7"], "regression"),
}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("served")
    served_project.build(root)
    return root


def served(root: Path, model: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Served:
    monkeypatch.chdir(root)
    bundle.write(model, folder)
    shutil.copyfile(bundle.best_weights(model), folder / bundle.WEIGHTS)
    return Served(folder)


@pytest.fixture
def model(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Served:
    return served(project, "all", monkeypatch, tmp_path / "bundle")


# ---------------------------------------------------------------- answers


def test_raw_files_get_the_probabilities_of_evaluate(project: Path, model: Served) -> None:
    rows, expected = served_project.requests(project, "all")
    assert any(None in row.values() for row in rows)
    for answer, row, wanted in zip(model.answer(rows), rows, expected, strict=True):
        assert answer["label"] == wanted["predicted"]
        assert answer["modalities"] == [name for name, cell in row.items() if cell is not None]
        for name, share in answer["probabilities"].items():
            assert share == pytest.approx(float(wanted[f"p:{name}"]), abs=1e-5)


def test_a_row_of_nothing_gets_the_prior(model: Served) -> None:
    counts = np.array(model.schema["train_counts"])
    for row in ({}, {"image": None}, {"text": "  "}):
        (answer,) = model.answer([row])
        assert list(answer["probabilities"].values()) == pytest.approx(counts / counts.sum())
        assert answer["modalities"] == []


@pytest.mark.parametrize("task", TASKS)
def test_every_task_answers_in_its_own_words(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels, chosen = TASKS[task]
    served_project.of_table(tmp_path, labels, chosen)
    model = served(tmp_path, "text_lstm", monkeypatch, tmp_path / "bundle")
    rows, expected = served_project.requests(tmp_path, "text_lstm")
    for answer, wanted in zip(model.answer(rows, contributions=True), expected, strict=True):
        if task == "regression":
            assert answer["label"] == pytest.approx(float(wanted["predicted"]), rel=1e-5)
            assert "probabilities" not in answer
            assert answer["prior"] + answer["contributions"]["text"] == pytest.approx(answer["label"])
            continue
        for name, share in answer["probabilities"].items():
            assert share == pytest.approx(float(wanted[f"p:{name}"]), abs=1e-5)
        if task == "binary":
            assert answer["label"] == wanted["predicted"]
            assert answer["prior"] + answer["contributions"]["text"] == pytest.approx(answer["probabilities"][answer["label"]])
        else:
            assert answer["label"] == list(filter(None, wanted["predicted"].split(";")))
            assert list(answer["contributions"]) == list(answer["prior"]) == answer["label"]
            for name in answer["label"]:
                assert answer["prior"][name] + answer["contributions"][name]["text"] == pytest.approx(answer["probabilities"][name])


def test_shapley_values_of_a_known_game() -> None:
    # one glove is worth nothing, a pair 1: two left gloves share what the right one alone has (Shapley 1953's own kind of example)
    def worth(shown: frozenset[str]) -> np.ndarray:
        return np.array([[float("right" in shown and len(shown) > 1), float(len(shown))]])

    values, nothing = shapley(["left", "other_left", "right"], worth)
    np.testing.assert_allclose(values["left"], [[1 / 6, 1]])
    np.testing.assert_allclose(values["other_left"], [[1 / 6, 1]])
    np.testing.assert_allclose(values["right"], [[4 / 6, 1]])
    np.testing.assert_allclose(nothing, [[0, 0]])


def test_contributions_sum_to_the_answer_and_a_missing_modality_adds_nothing(project: Path, model: Served) -> None:
    rows, _ = served_project.requests(project, "all")
    for answer, row in zip(model.answer(rows, contributions=True), rows, strict=True):
        assert answer["prior"] + sum(answer["contributions"].values()) == pytest.approx(answer["probabilities"][answer["label"]])
        assert set(answer["contributions"]) == set(row)
        assert all(answer["contributions"][name] == 0 for name, cell in row.items() if cell is None)
    assert any(abs(value) > 1e-3 for value in answer["contributions"].values())


# ---------------------------------------------------------------- what is refused


def test_weights_that_are_not_those_that_were_trained_are_refused(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    served(project, "all", monkeypatch, tmp_path / "bundle")
    weights = tmp_path / "bundle" / bundle.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.safetensors is not what was trained"):
        Served(tmp_path / "bundle")


def test_a_model_of_other_data_is_not_packaged(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "moved"
    shutil.copytree(project, root)
    schema = root / "data/prepared/schema.json"
    schema.write_text(schema.read_text().replace('"val": "', '"val": "0'))
    monkeypatch.chdir(root)
    with pytest.raises(UserError, match="trained on other data"):
        bundle.write("all", tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "there are no rows"),
        ([{"picture": "x"}], "row 1: there is no column 'picture'; there are: audio, image, text, video"),
        ([{"text": "fine"}, {"text": 3}], "row 2, text: a text or null is needed, not int"),
        ([{"image": float("nan")}], "row 1, image: a text or null is needed, not float"),
        ([{"text": "x"}] * 1025, "there are 1025 rows; a request may have 1024"),
        ([{"image": "not base64!"}], "row 1, image: it is no base64"),
        ([{"image": "/etc/passwd"}], "row 1, image: it is no base64"),
        ([{"image": "/etc/hostnam"}], "row 1, image: the image is no picture that can be read"),
        ([{"audio": "http://localhost/a.wav"}], "row 1, audio: it is no base64"),
        ([{"video": "images.npy#0"}], "row 1, video: it is no base64"),
        ([{"image": "AAAA"}], "row 1, image: the image is no picture that can be read"),
        ([{"text": "a\0b"}], "row 1, text: the text holds a NUL at letter 2"),
        ([{"text": "x" * 1_000_001}], "row 1, text: the text has 1,000,001 characters; 1,000,000 are allowed"),
        ([{"text": "x" * 999_999}] * 34, "the cells hold 33,999,966 characters; a request may have 33,554,432"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_row_and_reason(model: Served, rows: list[Any], reason: str) -> None:
    with pytest.raises(RequestError) as told:
        model.answer(rows)
    assert str(told.value).startswith(reason)
    assert len(str(told.value)) < 500
