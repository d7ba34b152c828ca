"""The analysis of single answers: which rows, what of them, whether the maps can be believed; over every fusion and task."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from subjects import subject
from test_model import ENCODERS, SPECS, make
from torch import Tensor

from deconfuse.analyses import Subject
from deconfuse.analyses._chosen import asked, evened
from deconfuse.analyses._sanity import checked
from deconfuse.analyses.explanations import Explanations, sane
from deconfuse.embeddings.words import Words
from deconfuse.explain import Maps, Method, Question
from deconfuse.explain._question import still
from deconfuse.explain._randomised import LEVELS, randomised
from deconfuse.explain.integrated_gradients import IntegratedGradients
from deconfuse.kernel.lookup import names
from deconfuse.model import room
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry
from deconfuse.reading.stored import Stored
from deconfuse.reading.streaming import Streamed

ROWS = 40
WORDS = ["a", "big", "cat", "on", "red", "roof", "sat"]
KINDS = {name: {"kind": name} for name in SPECS}
FACTS: dict[str, dict[str, Any]] = {
    "single_label": {"classes": ["x", "y", "z"]},
    "binary": {"classes": ["no", "yes"], "train_counts": [3, 5]},
    "multi_label": {"classes": ["x", "y", "z"], "separator": ";"},
    "regression": {"classes": [], "mean": 3.0, "std": 2.0},
}
OUTPUTS = {"single_label": 3, "binary": 1, "multi_label": 3, "regression": 1}


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def target(task: str) -> Tensor:
    draw = torch.Generator().manual_seed(9)
    if task == "multi_label":
        return (torch.rand(ROWS, 3, generator=draw) < 0.5).float()
    return torch.randn(ROWS, generator=draw).double() if task == "regression" else torch.arange(ROWS) % len(FACTS[task]["classes"])


def texts() -> list[str | None]:
    draw = np.random.default_rng(4)
    return [" ".join(draw.choice(WORDS, draw.integers(1, 7))) if row % 5 else None for row in range(ROWS)]


def words() -> Words:
    embedding = Words({"name": "text", "kind": "text"})
    embedding.restore({"words": WORDS, "shape": [6]})
    return embedding


def samples(task: str, modalities: tuple[str, ...]) -> Dataset:
    """Every fifth row has no text, every third no picture, every seventh nothing at all."""
    draw = torch.Generator().manual_seed(1)
    ids, steps = words()(texts(), None)
    inputs = {
        "image": torch.randint(0, 256, (ROWS, 1, 12, 12), dtype=torch.uint8, generator=draw),
        "audio": 2 * torch.randn(ROWS, 20, 16, generator=draw) - 4,
        "text": torch.from_numpy(ids),
        "video": torch.randint(0, 256, (ROWS, 5, 1, 12, 12), dtype=torch.uint8, generator=draw),
    }
    lengths = {"audio": torch.arange(ROWS) % 20 + 1, "text": torch.from_numpy(steps).long(), "video": torch.arange(ROWS) % 5 + 1}
    rows = torch.arange(ROWS)
    something = rows % 7 != 0
    present = dict.fromkeys(SPECS, something) | {"text": something & (rows % 5 != 0), "image": something & (rows % 3 != 0)}
    return Dataset(
        {name: inputs[name] for name in modalities},
        {name: lengths[name] for name in modalities if name in lengths},
        {name: present[name] for name in modalities},
        target(task),
    )


def put(model: Model, task: str = "single_label", data: Dataset | Streamed | None = None) -> Subject:
    found = samples(task, model.modalities) if data is None else data
    facts = FACTS[task] | {"task": task, "modalities": KINDS}
    splits: Any = {"val": found, "test": found}
    return subject(model, facts, splits, raw=lambda split, name: (texts(), None), embedding=lambda name: words())


def columns(rows: list[dict[str, Any]], *keys: str) -> set[tuple]:
    return {tuple(row[key] for key in keys) for row in rows}


# ---- the tables


@pytest.mark.parametrize("fusion", names("fusion"))
def test_every_fusion_is_explained_and_left_as_it_was(fusion: str) -> None:
    model = make(ENCODERS, fusion)
    model.bf16 = frozenset({"encoders.image"})
    before = {key: value.clone() for key, value in model.state_dict().items()}
    tables = Explanations(samples=6, checked=6)(put(model))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert model.bf16 == frozenset({"encoders.image"})
    assert not any(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks for module in model.modules())
    numbers = [int(row["id"].split("-")[1]) for row in tables["explained"]]
    assert len(set(numbers)) == 6 and all(number % 7 for number in numbers)
    assert all(row["class"] in FACTS["single_label"]["classes"] for row in tables["explained"])
    drawn = columns(tables["explanations"], "id", "modality")
    lacks = {"text": lambda number: number % 5 == 0, "image": lambda number: number % 3 == 0}
    has = {number: [name for name in SPECS if name not in lacks or not lacks[name](number)] for number in numbers}
    assert {len(kept) for kept in has.values()} > {4}, "the test draws no row that lacks anything"
    assert drawn == {(f"test-{number}", name) for number in numbers for name in has[number]}
    methods = {
        "audio": {"input", "deconvolution", "grad_cam", "integrated_gradients"},
        "image": {"input", "deconvolution", "grad_cam", "integrated_gradients"},
        "text": {"integrated_gradients"},
        "video": {"deconvolution", "grad_cam", "integrated_gradients"},
    }
    assert columns(tables["explanations"], "modality", "method") == {(name, way) for name, ways in methods.items() for way in ways}
    whole, first = next((number, row) for number, row in zip(numbers, tables["explained"], strict=True) if len(has[number]) == 4)
    cells = [row for row in tables["explanations"] if row["id"] == first["id"] and row["method"] == "integrated_gradients"]
    sizes = {name: sum(row["modality"] == name for row in cells) for name in SPECS}
    assert (sizes["image"], sizes["audio"], sizes["video"]) == (12 * 12, 16 * 20, whole % 5 + 1)
    # what all cells add up to is the whole way from the baseline to the answer
    way = first["answer"] - first["baseline"]
    assert sum(row["value"] for row in cells) == pytest.approx(way, abs=0.05 * max(abs(way), 0.1))
    assert ("attention" in tables) == ("attended" in tables) == (fusion in ("attention", "bottleneck", "gated"))
    assert columns(tables["sanity"], "verdict") <= {("passes",), ("fails",), ("not shown",)}
    checks = {(name, way, check) for name, ways in methods.items() for way in ways - {"input"} for check in (*LEVELS, "class")}
    more = {("all", "integrated_gradients", "completeness")} | ({("all", "attention", "all")} if "attention" in tables else set())
    assert columns(tables["sanity"], "modality", "method", "check") == checks | more


def test_words_stand_beside_their_numbers() -> None:
    tables = Explanations(samples=8)(put(make({"text": "lstm"}, None)))
    assert set(tables) == {"explained", "explanations", "explained_tokens", "sanity"}
    for row in tables["explained"]:
        spelled = [one["token"] for one in tables["explained_tokens"] if one["id"] == row["id"]]
        number = int(row["id"].split("-")[1])
        assert " ".join(spelled) == texts()[number]
        assert len(spelled) == sum(one["id"] == row["id"] for one in tables["explanations"])


@pytest.mark.parametrize("task", FACTS)
def test_every_task_has_its_question(task: str) -> None:
    torch.manual_seed(0)
    entry = Entry.model_validate({"encoders": {"image": "cnn"}, "width": 16})
    model = build(entry, SPECS, torch.zeros(OUTPUTS[task]), "models.tried")
    tables = Explanations()(put(model, task))
    assert len(tables["explained"]) == 4
    assert all((row["class"] == "") == (task == "regression") for row in tables["explained"])
    assert (("class",) in columns(tables["sanity"], "check")) == (OUTPUTS[task] > 1)


def test_the_same_again_and_from_disk_is_the_same() -> None:
    model = make({"audio": "lstm", "text": "lstm"}, "attention")
    data = samples("single_label", model.modalities)
    once, again = Explanations()(put(model)), Explanations()(put(model))
    assert once == again != Explanations(seed=1)(put(model))
    kept = {name: x for name, x in data.inputs.items() if name != "audio"}
    streamed = Streamed(
        Dataset(kept, data.lengths, data.present, data.label), {"audio": Stored(data.inputs["audio"].numpy(), np.arange(ROWS))}
    )
    assert Explanations()(put(model, data=streamed)) == once


def test_fewer_rows_are_checked_where_memory_has_no_room_for_their_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(ENCODERS, "concat")
    monkeypatch.setattr(room, "KEPT", 5 * room.taken(model, samples("single_label", model.modalities)).sum)
    tables = Explanations(samples=2, checked=9)(put(model))
    assert max(row["n"] for row in tables["sanity"]) == 5


def test_rows_without_anything_have_no_explanation() -> None:
    data = samples("single_label", ("image",))
    bare = Dataset(data.inputs, data.lengths, {"image": torch.zeros(ROWS, dtype=torch.bool)}, data.label)
    assert Explanations()(put(make({"image": "cnn"}, None), data=bare)) == {}


def test_shares_of_attention_are_means_over_rows_that_have_everything() -> None:
    model = make(ENCODERS, "gated")
    tables = Explanations()(put(model))
    data = samples("single_label", model.modalities)
    _, out = model(data.inputs, data.lengths, data.present)
    whole = data.present["text"] & data.present["image"]
    for row in tables["attention"]:
        gates = out["fusion"]["gates"][row["modality"]][whole].mean(1)
        assert row["share"] == pytest.approx(gates.mean().item(), abs=1e-4)
        assert row["low"] <= row["share"] <= row["high"] and row["n"] == whole.sum()
    assert sum(row["untrained"] for row in tables["attention"]) == pytest.approx(1, abs=1e-3)


# ---- which rows, and what of them


def test_half_of_the_rows_are_those_of_every_model_and_the_rest_makes_up_what_lacks() -> None:
    order = np.random.default_rng(0).permutation(30)
    for share in (0.0, 0.1, 0.5, 0.9, 1.0):
        right = np.random.default_rng(1).random(30) < share
        kept = evened(order, right, 6)
        assert kept[:3] == order[:3].tolist() and len(set(kept)) == 6
        assert right[kept].sum() == np.clip(
            3, max(6 - (~right).sum(), right[order[:3]].sum()), min(right.sum(), 3 + right[order[:3]].sum())
        )
    assert evened(order[:2], np.ones(30, bool), 6) == order[:2].tolist()


def test_what_is_asked_is_the_evidence_for_what_is_predicted() -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [0.5, 0.1, 0.2]])
    three = put(make({"image": "cnn"}, None))
    weight, other, classes = asked(three, logits)
    assert (weight * logits).sum(1).tolist() == [3.0, 0.5]
    assert other is not None and (other * logits).sum(1).tolist() == pytest.approx([2.0, 0.2])
    assert classes == ["y", "x"]
    yes_or_no = subject(
        build(Entry.model_validate({"encoders": {"image": "cnn"}}), SPECS, torch.zeros(1), "models.tried"),
        FACTS["binary"] | {"task": "binary", "modalities": KINDS},
        {split: samples("binary", ("image",)) for split in ("val", "test")},
    )
    weight, other, classes = asked(yes_or_no, torch.tensor([[2.0], [-3.0]]))
    assert weight.tolist() == [[1.0], [-1.0]] and other is None and classes == ["yes", "no"]


# ---- whether maps can be believed


class Edges(Method):
    """A fake: the picture's edges, whatever the model."""

    def reaches(self, question: Question) -> list[str]:
        return ["image"]

    def __call__(self, question: Question) -> Maps:
        picture = question.inputs[0].sum(1)
        return {"image": (picture - picture.roll(1, dims=2)).abs()}


def test_a_detector_of_edges_is_found_out() -> None:
    model = still(make({"image": "cnn"}, None))
    data = samples("single_label", ("image",)).batch(torch.arange(1, 7))
    weight, other = torch.eye(3)[torch.zeros(6).long()], torch.eye(3)[torch.ones(6).long()]
    question = Question(model, data, weight)
    others = {level: Question(randomised(model, level, 0), data, weight) for level in LEVELS} | {"class": Question(model, data, other)}
    found = {check.check: check for check in sane("edges", Edges(), Edges()(question), question, others)}
    assert {name: (check.verdict, check.value) for name, check in found.items()} == dict.fromkeys(("head", "all", "class"), ("fails", 1.0))
    real = IntegratedGradients()
    assert {check.check: check.verdict for check in sane("real", real, real(question), question, others)}["all"] == "passes"


def test_a_verdict_needs_its_whole_interval_on_one_side() -> None:
    draw = np.random.default_rng(0).normal(size=12)
    near = (draw - draw.mean()) / draw.std(ddof=1)
    for mean, spread, verdict in ((0.1, 0.1, "passes"), (0.9, 0.1, "fails"), (0.5, 0.3, "not shown"), (0.4, 0.5, "not shown")):
        check = checked("image", "any", "all", np.append(mean + spread * near, np.nan), 0.5)
        assert (check.verdict, check.n) == (verdict, 12)
        assert check.value == pytest.approx(mean, abs=1e-3)
    # Student's 97.5 % point of 11 degrees of freedom, over the root of 12
    assert check.high is not None and check.high - mean == pytest.approx(0.5 * 2.201 / np.sqrt(12), rel=1e-3)
    alone = checked("image", "any", "all", np.array([0.1, np.nan]), 0.5)
    assert (alone.value, alone.verdict, alone.n) == (None, "not shown", 1)
