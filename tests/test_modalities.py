"""What each modality does: the analyses on models whose answer is known by their making, and on games."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from subjects import subject
from torch import Tensor, nn

from deconfuse.analyses import Subject
from deconfuse.analyses._encoded import Drawn
from deconfuse.analyses.emap import Emap, estimated, exact
from deconfuse.analyses.perceptual import Perceptual, shuffled
from deconfuse.analyses.subsets import Subsets, shown
from deconfuse.fusion import Fusion, pooled
from deconfuse.kernel.lookup import names
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry
from deconfuse.reading.stored import Stored
from deconfuse.reading.streaming import Streamed
from deconfuse.shapley import shapley

ROWS = 120


class Given(nn.Module):
    """An encoder that hands on what it gets as one token."""

    def forward(self, x: Tensor, length: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        return x[:, None], {"mask": torch.ones(len(x), 1, dtype=torch.bool)}


class Sum(Fusion):
    """What the modalities say, added up."""

    out_dim = 2

    def forward(self, tokens: dict[str, Tensor], masks: dict[str, Tensor]) -> tuple[Tensor, dict[str, object]]:
        return torch.stack([pooled(tokens[name], masks[name]) for name in sorted(tokens)]).sum(0), {}


class Product(Fusion):
    """What the modalities say, multiplied: alone none says anything."""

    out_dim = 2

    def forward(self, tokens: dict[str, Tensor], masks: dict[str, Tensor]) -> tuple[Tensor, dict[str, object]]:
        return torch.stack([pooled(tokens[name], masks[name]) for name in sorted(tokens)]).prod(0), {}


def planted(fusion: Fusion, modalities: tuple[str, ...], task: dict[str, Any] | None = None) -> Model:
    """A model whose logits are what the fusion gives."""
    model = Model({name: Given() for name in modalities}, fusion, 2, dict.fromkeys(modalities, (0.0, 1.0)), torch.zeros(2), 0.0)
    with torch.no_grad():
        model.head.weight.copy_(torch.eye(2))
        model.head.bias.zero_()
    return model


def asked(model: Model, inputs: dict[str, Tensor], label: Tensor, present: dict[str, Tensor] | None = None, **facts: Any) -> Subject:
    present = present or {name: torch.ones(len(label), dtype=torch.bool) for name in inputs}
    data = Dataset(inputs, {}, present, label)
    about = {"task": "single_label", "classes": ["no", "yes"], "train_counts": [1, 1]} | facts
    return subject(model, about, {"val": data, "test": data})


def speaking(label: Tensor, loud: float) -> Tensor:
    """(N, 2): for the label's class, as loud as said."""
    return loud * nn.functional.one_hot(label, 2).float()


@pytest.fixture
def label() -> Tensor:
    return torch.arange(ROWS) % 2


def by(rows: list[dict[str, Any]], key: str) -> dict[Any, dict[str, Any]]:
    return {row[key]: row for row in rows}


# ---------------------------------------------------------------- tokens

SPECS = {
    "image": {"layout": "image", "shape": [1, 12, 12], "vocabulary": 0, "mean": 90.0, "std": 60.0},
    "audio": {"layout": "frames", "shape": [20, 16], "vocabulary": 0, "mean": -4.0, "std": 2.0},
    "text": {"layout": "tokens", "shape": [6], "vocabulary": 9, "mean": None, "std": None},
}


def random_data(rows: int, seed: int, share: float) -> Dataset:
    """Samples that have each modality with a probability."""
    draw = torch.Generator().manual_seed(seed)
    inputs = {
        "audio": torch.randn(rows, 20, 16, generator=draw),
        "image": torch.randint(0, 256, (rows, 1, 12, 12), dtype=torch.uint8, generator=draw),
        "text": torch.randint(0, 9, (rows, 6), generator=draw),
    }
    lengths = {"audio": torch.randint(1, 21, (rows,), generator=draw), "text": torch.randint(1, 7, (rows,), generator=draw)}
    present = {name: torch.rand(rows, generator=draw) < share for name in inputs}
    return Dataset(inputs, lengths, present, torch.arange(rows) % 3)


def random_model(fusion: str) -> Model:
    torch.manual_seed(0)
    entry = Entry.model_validate({"encoders": {"audio": "cnn", "image": "cnn", "text": "lstm"}, "fusion": fusion, "width": 16})
    return build(entry, SPECS, torch.zeros(3), "models.tried").eval()


@pytest.mark.parametrize("fusion", names("fusion"))
@torch.inference_mode()
def test_joining_tokens_is_the_model(fusion: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deconfuse.analyses._encoded.BATCH", 16)
    model, data = random_model(fusion), random_data(50, 1, 0.7)
    encoded = Drawn(model, data).first(50)
    own = dict.fromkeys(model.modalities, encoded.places())
    assert sorted(encoded.rows) == list(range(50)) and list(encoded.rows) != list(range(50))
    batch = data.batch(torch.from_numpy(encoded.rows))
    torch.testing.assert_close(encoded.answers(own), model(batch.inputs, batch.lengths, batch.present)[0])
    hidden = replace(batch, present=batch.present | {"image": torch.zeros(50, dtype=torch.bool)})
    without = {name: places for name, places in own.items() if name != "image"}
    torch.testing.assert_close(encoded.answers(without), model(hidden.inputs, hidden.lengths, hidden.present)[0])
    other = encoded.places().flip(0)
    mixed = {part: getattr(batch, part) | ({"audio": getattr(batch, part)["audio"].flip(0)}) for part in ("inputs", "lengths", "present")}
    torch.testing.assert_close(encoded.answers(own | {"audio": other}), model(**mixed)[0])


def test_rows_are_drawn_in_one_order_and_as_many_as_can_be_afforded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deconfuse.analyses._encoded.BATCH", 16)
    data = random_data(90, 1, 1.0)
    drawn, other = Drawn(random_model("concat"), data), Drawn(random_model("late"), data)
    few, more = drawn.first(20), drawn.first(70)
    assert len(few) == 20 and len(more) == 70 and len(drawn.first(1000)) == 90
    assert list(more.rows[:20]) == list(few.rows) == list(other.first(20).rows)
    torch.testing.assert_close(more.tokens["audio"][:20], few.tokens["audio"])
    tokens = sum(x.shape[1] for x in few.tokens.values())
    monkeypatch.setattr("deconfuse.analyses._encoded.JOINED", 45 * 7 * tokens)
    assert len(drawn.first(70, 7)) == 45
    monkeypatch.setattr("deconfuse.analyses._encoded.HELD", 40 * 4 * 16 * tokens)
    assert len(drawn.first(70)) == 40
    monkeypatch.setattr("deconfuse.analyses._encoded.HELD", 0)
    assert len(drawn.first(70)) == 30 and len(drawn.first(12)) == 12


@torch.inference_mode()
def test_rows_that_lie_on_disk_are_read_as_they_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deconfuse.analyses._encoded.BATCH", 16)
    data, model = random_data(50, 1, 0.7), random_model("concat")
    stored = {"image": Stored(data.inputs["image"].numpy(), np.arange(50))}
    streamed = Streamed(replace(data, inputs={name: x for name, x in data.inputs.items() if name != "image"}), stored)
    mine, other = Drawn(model, streamed).first(40), Drawn(model, data).first(40)
    own = dict.fromkeys(model.modalities, mine.places())
    assert torch.equal(mine.answers(own), other.answers(own))


# ---------------------------------------------------------------- Shapley values

worths = st.lists(st.floats(-1, 1), min_size=16, max_size=16)
PLAYERS = ["a", "b", "c", "d"]


def game(values: list[float]) -> dict[frozenset[str], np.ndarray]:
    subsets = [frozenset(one) for size in range(5) for one in combinations(PLAYERS, size)]
    return dict(zip(subsets, map(np.array, values), strict=True))


@given(worths)
def test_shapley_values_sum_to_what_all_add(values: list[float]) -> None:
    worth = game(values)
    found, nothing = shapley(PLAYERS, worth.__getitem__)
    assert sum(found.values()) == pytest.approx(worth[frozenset(PLAYERS)] - nothing)


@given(worths)
def test_modalities_that_do_the_same_have_the_same_shapley_value(values: list[float]) -> None:
    worth = game(values)
    swap = {"a": "b", "b": "a"}
    even = {one: (value + worth[frozenset(swap.get(name, name) for name in one)]) / 2 for one, value in worth.items()}
    found, _ = shapley(PLAYERS, even.__getitem__)
    assert found["a"] == pytest.approx(found["b"])


@given(worths, st.floats(-1, 1))
def test_a_modality_that_always_adds_the_same_has_that_shapley_value(values: list[float], always: float) -> None:
    worth = game(values)
    dummy = {one: worth[one - {"c"}] + always * ("c" in one) for one in worth}
    found, _ = shapley(PLAYERS, dummy.__getitem__)
    assert found["c"] == pytest.approx(always)


def test_subsets_of_a_model_that_adds_up(label: Tensor) -> None:
    """`partly` is right on half of the rows only where the other is missing: the other is always right, and louder."""
    half = speaking(torch.where(torch.arange(ROWS) < ROWS // 2, label, 1 - label), 1.0)
    model = planted(Sum(), ("partly", "right"))
    tables = Subsets()(asked(model, {"partly": half, "right": speaking(label, 2.0)}, label))
    table = by(tables["subsets"], "subset")
    assert list(table) == ["", "partly", "right", "partly+right"]
    assert [row["figure"] for row in table.values()] == [0.5, 0.5, 1.0, 1.0]
    assert [row["shown"] for row in table.values()] == [0, 1, 1, 2]
    assert table[""]["loss"] == pytest.approx(np.log(2)) and table["right"]["loss"] == pytest.approx(np.log1p(np.exp(-2.0)))
    assert table["right"]["low"] == pytest.approx(1 / (1 + 1.96**2 / ROWS), abs=1e-4), "Wilson's interval of all rows right"
    values = by(tables["shapley"], "modality")
    assert values["right"]["value"] == 0.5 and values["partly"]["value"] == 0.0
    assert -0.1 < values["partly"]["low"] < 0 < values["partly"]["high"] < 0.1, "on some rows it is better than the prior"
    assert 0.4 < values["right"]["low"] < 0.5 < values["right"]["high"] < 0.6
    assert {row["n"] for row in [*table.values(), *values.values()]} == {ROWS}


def test_shapley_values_of_an_error_are_what_it_falls_by() -> None:
    """Numbers of which one modality knows all: the other is silent."""
    number = torch.linspace(-2, 2, ROWS)
    model = planted(Sum(), ("deaf", "knows"))
    model.head, model.log_prior = nn.Linear(2, 1, bias=False), torch.zeros(1)
    with torch.no_grad():
        model.head.weight.fill_(0.5)
    told = {"deaf": torch.zeros(ROWS, 2), "knows": number[:, None].repeat(1, 2)}
    tables = Subsets()(asked(model, told, number.double(), task="regression", classes=[], train_counts=[], mean=0.0, std=1.0))
    error = float(number.square().mean().sqrt())
    figures = {name: row["figure"] for name, row in by(tables["subsets"], "subset").items()}
    assert figures == pytest.approx({"": error, "deaf": error, "knows": 0.0, "deaf+knows": 0.0}, abs=1e-6)
    assert all(row["loss"] is None for row in tables["subsets"])
    values = {name: row["value"] for name, row in by(tables["shapley"], "modality").items()}
    assert values == pytest.approx({"deaf": 0.0, "knows": error}, abs=1e-6)


def test_many_modalities_are_shown_alone_and_left_out_alone(label: Tensor) -> None:
    many = tuple(f"m{place}" for place in range(9))
    assert [len(subset) for subset in shown(many)] == [0, *[1] * 9, *[8] * 9, 9]
    tables = Subsets()(asked(planted(Sum(), many), dict.fromkeys(many, speaking(label, 1.0)), label))
    assert list(tables) == ["subsets"] and len(tables["subsets"]) == 20
    assert len(shown(many[:8])) == 256


# ---------------------------------------------------------------- perceptual score


def test_perceptual_score_of_the_only_modality_that_speaks(label: Tensor) -> None:
    inputs = {"deaf": torch.zeros(ROWS, 2), "right": speaking(label, 2.0)}
    table = Perceptual(rows=ROWS)(asked(planted(Sum(), ("deaf", "right")), inputs, label))["perceptual"]
    found = {(row["modality"], row["permuted"]): row for row in table}
    lost = found["right", "all rows"]
    assert lost["figure"] == 1.0, "of the rows as they are, not of permuted ones"
    assert lost["drop"] == pytest.approx(0.5, abs=0.1) == lost["normalised"]
    assert lost["drop"] == lost["figure"] - lost["permuted_figure"]
    assert lost["low"] < lost["drop"] < lost["high"]
    for key in (("right", "each class"), ("deaf", "all rows"), ("deaf", "each class")):
        assert found[key]["drop"] == found[key]["low"] == found[key]["high"] == 0.0
    assert {row["permutations"] for row in table} == {10} and {row["n"] for row in table} == {ROWS}


def test_permuting_within_classes_breaks_the_ties_between_modalities(label: Tensor) -> None:
    """The class is whether two signs agree: moved among rows of the same class they agree with nothing."""
    sign = torch.tensor([1.0, -1.0]).repeat_interleave(ROWS // 2)
    other = torch.where(label == 1, sign, -sign)
    inputs = {"one": torch.stack([torch.zeros(ROWS), sign], 1), "other": torch.stack([torch.zeros(ROWS), other], 1)}
    table = Perceptual(rows=ROWS)(asked(planted(Product(), ("one", "other")), inputs, label))["perceptual"]
    assert {row["figure"] for row in table} == {1.0}
    for row in table:
        assert row["drop"] == pytest.approx(0.5, abs=0.1)
        assert row["low"] > 0.3


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), st.integers(0, 2**32))
@settings(max_examples=50)
def test_a_permutation_stays_within_its_groups(groups: list[int], seed: int) -> None:
    places = shuffled(np.array(groups), 10, np.random.default_rng(seed))
    assert (np.sort(places, 1) == np.arange(len(groups))).all()
    assert (np.array(groups)[places] == groups).all()


def test_every_permutation_of_a_group_is_as_likely() -> None:
    places = shuffled(np.array([0, 1, 0, 1, 0]), 6000, np.random.default_rng(0))
    kinds, counts = np.unique(places[:, [0, 2, 4]], axis=0, return_counts=True)
    assert len(kinds) == 6 and counts.min() > 900


def test_what_is_missing_stays_missing_under_a_permutation(label: Tensor) -> None:
    """Rows without the modality that speaks are of the class that the prior says: nothing is lost on them."""
    has = torch.arange(ROWS) < ROWS // 2
    label = torch.where(has, label, 0)
    inputs = {"deaf": torch.zeros(ROWS, 2), "right": torch.where(has[:, None], speaking(label, 2.0), torch.nan)}
    asking = asked(planted(Sum(), ("deaf", "right")), inputs, label, {"deaf": torch.ones(ROWS, dtype=torch.bool), "right": has})
    found = {(row["modality"], row["permuted"]): row for row in Perceptual(rows=ROWS)(asking)["perceptual"]}
    assert found["right", "all rows"]["figure"] == 1.0
    assert found["right", "all rows"]["drop"] == pytest.approx(0.25, abs=0.05)
    assert found["right", "each class"]["drop"] == 0.0


# ---------------------------------------------------------------- EMAP


@pytest.mark.parametrize("modalities", [("a", "b"), ("a", "b", "c"), ("a", "b", "c", "d")], ids=len)
def test_the_projection_of_a_model_that_adds_up_is_the_model(modalities: tuple[str, ...], label: Tensor) -> None:
    draw = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(ROWS, 2, generator=draw) for name in modalities}
    asking = asked(planted(Sum(), modalities), inputs, label)
    encoded = asking.encoded.first(ROWS)
    projected = exact(encoded) if len(modalities) == 2 else estimated(encoded, 5)
    assert (projected - asking.logits["test"][torch.from_numpy(encoded.rows)]).abs().max() < 1e-5
    row = Emap()(asking)["emap"][0]
    assert row["gap"] == 0.0 and (row["low"], row["high"]) == (0.0, 0.0)
    assert (row["method"], row["n"]) == ("all pairs" if len(modalities) == 2 else "Monte Carlo", ROWS)


def test_late_fusion_only_adds_up() -> None:
    """A fusion of the project, with random weights: the mean of votes is a sum where nothing is missing."""
    data = random_data(60, 1, 1.0)
    encoded = Drawn(random_model("late"), data).first(60)
    own = encoded.answers(dict.fromkeys(encoded.tokens, encoded.places()))
    assert (estimated(encoded, 7) - own).abs().max() < 1e-5
    assert own.std() > 1e-3


@pytest.mark.parametrize("others", [(), ("noise",)], ids=["two modalities", "three"])
def test_of_an_exclusive_or_the_projection_is_left_with_chance(others: tuple[str, ...], label: Tensor) -> None:
    draw = torch.Generator().manual_seed(0)
    signs = {name: torch.where(torch.rand(ROWS, generator=draw) < 0.5, 1.0, -1.0) for name in ("one", *others)}
    signs["other"] = torch.where(label == 1, 1.0, -1.0) * torch.stack(list(signs.values())).prod(0)
    inputs = {name: torch.stack([torch.zeros(ROWS), sign], 1) for name, sign in signs.items()}
    row = Emap()(asked(planted(Product(), tuple(sorted(inputs))), inputs, label))["emap"][0]
    assert row["figure"] == 1.0
    assert 0.4 < row["emap"] < 0.62
    assert row["gap"] == row["figure"] - row["emap"] and row["low"] > 0.25


def test_a_model_of_one_modality_is_asked_nothing(label: Tensor) -> None:
    asking = asked(planted(Sum(), ("only",)), {"only": speaking(label, 1.0)}, label)
    assert Subsets()(asking) == Perceptual()(asking) == Emap()(asking) == {}


TASKS: dict[str, tuple[Tensor, dict[str, Any]]] = {
    "single_label": (torch.arange(ROWS) % 2, {}),
    "binary": (torch.arange(ROWS) % 2, {}),
    "multi_label": ((torch.arange(2 * ROWS).view(ROWS, 2) % 3 < 2).float(), {"separator": ";", "train_rows": ROWS}),
    "regression": (torch.linspace(-3, 5, ROWS).double(), {"classes": [], "train_counts": [], "mean": 1.0, "std": 2.0}),
}


@pytest.mark.parametrize("task", TASKS)
def test_every_task_can_be_asked(task: str) -> None:
    label, facts = TASKS[task]
    draw = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(ROWS, 2, generator=draw) for name in ("a", "b", "c")}
    model = planted(Product(), ("a", "b", "c"))
    if task in ("binary", "regression"):
        model.head, model.log_prior = nn.Linear(2, 1), torch.zeros(1)
    asking = asked(model, inputs, label, {name: torch.rand(ROWS, generator=draw) < 0.9 for name in inputs}, task=task, **facts)
    for analysis, expected in ((Subsets(), {"subsets", "shapley"}), (Perceptual(), {"perceptual"}), (Emap(), {"emap"})):
        tables = analysis(asking)
        assert set(tables) == expected
        for row in (row for rows in tables.values() for row in rows):
            assert all(np.isfinite(value) for value in row.values() if isinstance(value, float))
            assert row["low"] <= row.get("figure", 0) <= row["high"] or "value" in row or "drop" in row or "gap" in row
    whole, nothing = (next(row["figure"] for row in Subsets()(asking)["subsets"] if row["shown"] == shown) for shown in (3, 0))
    gained = nothing - whole if task == "regression" else whole - nothing
    assert sum(row["value"] for row in Subsets()(asking)["shapley"]) == pytest.approx(gained)
    moved = {row["permuted"] for row in Perceptual()(asking)["perceptual"]}
    assert moved == ({"all rows", "each class"} if task in ("single_label", "binary") else {"all rows"})
