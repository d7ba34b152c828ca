"""Operations of an answer, against those counted by hand."""

import pytest
import torch
from subjects import subject
from torch.utils.flop_counter import FlopCounterMode

from deconfuse.analyses.costs import Costs
from deconfuse.kernel.lookup import names
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.params.models import Model as Entry

FACTS = {"task": "single_label", "classes": ["a", "b", "c"], "train_counts": [1, 1, 1]}
SPECS = {
    "audio": {"layout": "frames", "shape": [4, 8], "vocabulary": 0, "mean": 0.0, "std": 1.0},
    "image": {"layout": "image", "shape": [2, 4, 4], "vocabulary": 0, "mean": 0.0, "std": 1.0},
    "text": {"layout": "tokens", "shape": [6], "vocabulary": 9, "mean": None, "std": None},
}


def samples(names: tuple[str, ...], rows: int) -> Dataset:
    torch.manual_seed(1)
    inputs = {"audio": torch.randn(rows, 4, 8), "image": torch.randn(rows, 2, 4, 4), "text": torch.randint(2, 9, (rows, 6))}
    lengths = {"text": torch.tensor([3, 6, 3, 6][:rows])} if "text" in names else {}
    present = {name: torch.ones(rows, dtype=torch.bool) for name in names}
    return Dataset({name: inputs[name] for name in names}, lengths, present, torch.zeros(rows, dtype=torch.long))


def asked(entry: dict, rows: int = 4) -> dict[str, int]:
    torch.manual_seed(0)
    model = build(Entry.model_validate(entry), SPECS, torch.zeros(3), "models.x")
    data = samples(tuple(sorted(entry["encoders"])), rows)
    found = Costs()(subject(model, FACTS, {"val": data, "test": data}))["costs"]
    return {row["part"]: row["flops"] for row in found}


def test_a_linear_map_costs_two_a_weight() -> None:
    found = asked({"encoders": {"audio": "linear"}, "width": 5})
    # each of 4 frames by itself, then their mean
    assert found == {"model": 2 * (4 * 8 * 5 + 5 * 3), "encoder audio": 2 * 4 * 8 * 5}


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3)])
def test_recurrent_layers_cost_two_a_weight_and_valid_step(cell: str, gates: int) -> None:
    encoder = {"name": "lstm", "cell": cell, "hidden": 5, "layers": 2, "bidirectional": True, "embedding": 7}
    found = asked({"encoders": {"text": encoder}, "width": 8})
    # two directions; the second layer reads both; 4.5 valid steps in the mean
    weights = 2 * gates * 5 * (7 + 5) + 2 * gates * 5 * (10 + 5)
    project, head = 10 * 8, 8 * 3
    assert found["encoder text"] == round(2 * (4.5 * weights + project))
    assert found["model"] == round(2 * (4.5 * weights + project + head))


def test_parts_of_a_fusion_are_told_apart() -> None:
    alone = [asked({"encoders": {name: encoder}, "width": 8}) for name, encoder in (("image", "cnn"), ("text", "lstm"))]
    both = asked({"encoders": {"image": "cnn", "text": "lstm"}, "fusion": "concat", "width": 8})
    assert both["encoder image"] == alone[0]["encoder image"] > 0
    assert both["encoder text"] == alone[1]["encoder text"] > 0
    assert both["model"] > both["encoder image"] + both["encoder text"]


@pytest.mark.parametrize("fusion", names("fusion"))
def test_all_that_is_not_recurrent_is_counted_as_torch_counts_it(fusion: str) -> None:
    entry = {"encoders": {"audio": "transformer", "image": "deconvolution"}, "fusion": fusion, "width": 8}
    torch.manual_seed(0)
    model = build(Entry.model_validate(entry), SPECS, torch.zeros(3), "models.x").eval()
    data = samples(("audio", "image"), 4)
    with FlopCounterMode(display=False) as expected:
        model(data.inputs, data.lengths, data.present)
    assert asked(entry)["model"] == round(expected.get_total_flops() / 4) > 0
