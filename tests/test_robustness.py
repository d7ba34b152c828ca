"""Robustness: curves against corruptions of raw values, on models whose answer is known by their making."""

from itertools import groupby
from typing import Any

import numpy as np
import pytest
import torch
from subjects import subject
from torch import Tensor, nn

from deconfuse.analyses import Subject
from deconfuse.analyses.robustness import TOGETHER, Robustness, area
from deconfuse.embeddings import Embedding
from deconfuse.embeddings.characters import Characters
from deconfuse.embeddings.pixels import Pixels
from deconfuse.fusion.late import Late
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import check
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.evaluate import Evaluate

ROWS = 60
LEVELS = [0.5, 1.0]


class Brightness(nn.Module):
    """Pictures as one token: how much brighter than middle grey they are, and darker."""

    def forward(self, x: Tensor, length: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        brighter = x.flatten(1).mean(1) - 128
        return torch.stack([-brighter, brighter], 1)[:, None], {"mask": torch.ones(len(x), 1, dtype=torch.bool)}


class Deaf(nn.Module):
    """Texts as a token of zeros."""

    def forward(self, x: Tensor, length: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        return torch.zeros(len(x), 1, 2), {"mask": torch.ones(len(x), 1, dtype=torch.bool)}


def asked(modalities: tuple[str, ...] = ("photo", "text"), task: str = "single_label", slow: bool = False) -> Subject:
    """Bright pictures are class 1, dark ones class 0; the model sees it, and takes grey for dark. Every sixth row has no picture."""
    label = np.arange(ROWS) % 2
    photo = np.where(label == 1, 140, 116).astype(np.uint8).reshape(-1, 1, 1, 1).repeat(6, 2).repeat(6, 3)
    has = np.arange(ROWS) % 6 != 5
    # what stands there in place of a missing picture is nothing to go by
    photo[~has] = 250
    texts = [f"text number {row}" for row in range(ROWS)]
    facts = {
        **{"task": task, "classes": ["dark", "bright"], "train_counts": [1, 1], "mean": 0.5, "std": 1.0},
        "modalities": {"photo": {"kind": "image", "shape": [1, 6, 6]}, "text": {"kind": "text", "shape": []}},
    }
    embeddings: dict[str, Embedding] = {"photo": Pixels(facts["modalities"]["photo"]), "text": Characters(facts["modalities"]["text"])}
    embeddings["text"].fit(texts)
    embeddings["photo"].is_slow = slow
    raw: dict[str, tuple[Any, Any]] = {"photo": (photo, None), "text": (texts, None)}
    arrays = {name: embeddings[name](*raw[name]) for name in modalities}
    inputs = {name: torch.from_numpy(np.asarray(array)) for name, (array, _) in arrays.items()}
    lengths = {name: torch.from_numpy(steps).long() for name, (_, steps) in arrays.items() if steps is not None}
    present = {"photo": torch.from_numpy(has), "text": torch.ones(ROWS, dtype=torch.bool)}
    target = torch.from_numpy(label) if task == "single_label" else torch.from_numpy(label.astype(float))
    data = Dataset(inputs, lengths, {name: present[name] for name in modalities}, target)
    outputs = 2 if task == "single_label" else 1
    kinds = {"photo": Brightness, "text": Deaf}
    fusion = Late(modalities, 2)
    model = Model({name: kinds[name]() for name in modalities}, fusion, fusion.out_dim, {"photo": (0.0, 1.0)}, torch.zeros(outputs), 0.0)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.weight[:, :2] = torch.eye(2)[-outputs:] / (1 if outputs == 2 else 128)
        model.head.bias.zero_()
    return subject(model, facts, {"val": data, "test": data}, lambda split, name: raw[name], embeddings.__getitem__)


def curves(rows: list[dict[str, Any]]) -> dict[tuple[str, str], list[dict[str, Any]]]:
    return {key: list(part) for key, part in groupby(rows, key=lambda row: (row["modality"], row["corruption"]))}


def test_a_curve_for_each_corruption_of_each_modality_and_one_of_all() -> None:
    asking = asked()
    tables = Robustness(levels=LEVELS)(asking)
    found = curves(tables["robustness"])
    photo = [("photo", name) for name in ("blur", "image_noise", "occlusion")]
    assert sorted(found) == sorted([*photo, ("text", "typos"), (TOGETHER, TOGETHER)])
    # the rows without a picture are bright ones, and taken for dark
    clean = asking.score(asking.target("test"), asking.logits["test"])
    assert clean == 50 / 60
    for rows in found.values():
        assert [row["level"] for row in rows] == [0.0, *LEVELS]
        assert rows[0]["figure"] == clean, "at level 0 the very figure of the clean rows"
        assert all(row["low"] <= row["figure"] <= row["high"] and row["n"] == ROWS for row in rows)
    figures = {key: [row["figure"] for row in rows] for key, rows in found.items()}
    assert figures["text", "typos"] == [clean] * 3, "no one listens"
    assert figures["photo", "blur"] == [clean] * 3, "even pictures stay"
    assert figures["photo", "occlusion"] == [clean, clean, 0.5], "all grey"
    assert figures[TOGETHER, TOGETHER] == figures["photo", "image_noise"], "the chief corruption, with the same luck"
    assert 0.5 < figures[TOGETHER, TOGETHER][-1] < clean


def test_relative_robustness_is_the_area_under_the_curve() -> None:
    tables = Robustness(levels=[0.2, 1.0])(asked())
    for row in tables["robustness_summary"]:
        clean, middle, worst = (point["figure"] for point in curves(tables["robustness"])[row["modality"], row["corruption"]])
        assert row["relative_robustness"] == pytest.approx(0.2 * (clean + middle) / 2 + 0.8 * (middle + worst) / 2)
        assert row["low"] <= row["relative_robustness"] <= row["high"] and row["clean"] == clean
        assert row["lost"] == pytest.approx(clean - row["relative_robustness"]) and row["lost_low"] <= row["lost"] <= row["lost_high"]
    assert area([0.0, 0.5], np.array([[1.0, 0.0]])) == [0.5], "of half a scale, in the figure's unit too"


def test_of_an_error_less_is_more_robust() -> None:
    tables = Robustness(levels=LEVELS)(asked(task="regression"))
    found = curves(tables["robustness"])
    occluded = [row["figure"] for row in found["photo", "occlusion"]]
    assert 0 < occluded[0] < occluded[1] < occluded[2]
    assert all(row["low"] <= row["figure"] <= row["high"] for row in found["photo", "occlusion"])
    row = next(row for row in tables["robustness_summary"] if row["corruption"] == "occlusion")
    assert row["lost"] == pytest.approx(row["relative_robustness"] - row["clean"]) and 0 < row["lost_low"] < row["lost"] < row["lost_high"]


def test_other_noise_is_other_luck() -> None:
    tables = Robustness(levels=[1.0], noise_seeds=3)(asked())
    noisy = [row for row in tables["robustness"] if row["corruption"] == "image_noise"]
    assert [(row["noise_seed"], row["level"]) for row in noisy] == [(seed, level) for seed in range(3) for level in (0.0, 1.0)]
    assert len({row["figure"] for row in noisy if row["level"]}) > 1
    row = next(row for row in tables["robustness_summary"] if row["corruption"] == "image_noise")
    assert row["relative_robustness"] == pytest.approx(np.mean([row["figure"] for row in noisy])) and row["noise_seeds"] == 3


def test_a_single_modality_does_not_get_worse_with_others() -> None:
    assert {modality for modality, _ in curves(Robustness(levels=[1.0])(asked(("photo",)))["robustness"])} == {"photo"}


def test_where_a_row_takes_long_few_are_asked() -> None:
    tables = Robustness(levels=[1.0])(asked(slow=True))
    assert {row["n"] for rows in tables.values() for row in rows} == {50}


@pytest.mark.parametrize("level", [0, -0.5, 1.5])
def test_levels_are_from_above_0_to_1(level: float) -> None:
    with pytest.raises(UserError, match="levels"):
        check({"analyses": [{"name": "robustness", "levels": [0.5, level]}]}, Evaluate)
