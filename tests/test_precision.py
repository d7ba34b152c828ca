"""bf16 and the memory's layout move results a little and not more; which parts take bf16 follows from processor and layers alone."""

import csv
import json
import math
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from small_project import build as build_project
from test_encoders import CASES, SPECS, batch, lengths, make
from test_kill import training
from test_model import ENCODERS, PRIOR, every_fusion, every_subset
from test_model import SPECS as MODEL_SPECS
from test_model import batch as model_batch
from test_model import make as make_model
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from deconfuse.kernel.params import check
from deconfuse.model.bf16 import bf16
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.params.models import Model as Entry
from deconfuse.reading.residence import place
from deconfuse.reading.stored import read
from deconfuse.runtime.prediction import predict
from deconfuse.runtime.trained import read_weights, untrained
from deconfuse.training import precision
from deconfuse.training.precision import decide, labour, pays

torch.set_num_threads(1)
CPU = torch.device("cpu")
# what torch tells of two processors with avx512_bf16 and without tiles
AMD = {"cpu_name": "AMD EPYC", "avx512_bf16": True, "amx_bf16": False}
INTEL = {"cpu_name": "Intel Xeon", "avx512_bf16": True, "amx_bf16": False}


# ---- what it changes


def distance(one: Tensor, two: Tensor) -> float:
    """Of the one from the other, as a share of its length."""
    return float(((one - two).norm() / two.norm()).detach())


def learnt(name: str, layout: str, memory: torch.memory_format, is_half: bool) -> tuple[Tensor, Tensor]:
    """Tokens of an encoder, and the gradient of all its weights by a loss that weighs the tokens at random."""
    spec = SPECS[layout]
    encoder = make(name, spec).to(memory_format=memory)
    with bf16(CPU) if is_half else nullcontext():
        tokens, _ = encoder(batch(spec, 8), lengths(spec, 8))
    weight = torch.randn(tokens.shape, generator=torch.Generator().manual_seed(2))
    (tokens.float() * weight).sum().backward()
    return tokens.detach().float(), torch.cat([value.grad.flatten() for value in encoder.parameters() if value.grad is not None])


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_neither_bf16_nor_the_layout_in_memory_changes_what_an_encoder_learns(name: str, layout: str) -> None:
    plain = learnt(name, layout, torch.contiguous_format, False)
    last = learnt(name, layout, torch.channels_last, False)
    for memory in (torch.contiguous_format, torch.channels_last):
        half = learnt(name, layout, memory, True)
        # a gradient moves more: rounding decides which side of a ReLU a value near 0 is on; `pretrained` has many of them
        assert 0 < distance(half[0], plain[0]) < (0.05 if name == "pretrained" else 0.01)
        assert 0 < distance(half[1], plain[1]) < (0.4 if name == "pretrained" else 0.15)
    assert distance(last[0], plain[0]) < 1e-5 and distance(last[1], plain[1]) < 1e-5


@every_fusion
def test_a_model_of_bf16_answers_as_one_of_fp32_and_what_is_missing_stays_without_influence(fusion: str) -> None:
    model = make_model(ENCODERS, fusion)
    given = model_batch(every_subset(), seed=1)
    plain, _ = model(*given)
    model.bf16 = frozenset(model.parts())
    half, out = model(*given)
    assert half.dtype == torch.float32 and out["fused"].dtype == torch.float32
    assert 0 < distance(half, plain) < 0.03
    assert torch.equal(half[0], PRIOR), "where nothing is there"
    other = {name: torch.where(given[2][name].view(-1, *[1] * (x.dim() - 1)), x, 3) for name, x in given[0].items()}
    assert torch.equal(model(other, *given[1:])[0], half)


@pytest.mark.parametrize("part", ["encoders.image", "fusion"])
def test_parts_are_cast_one_by_one(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # tiles would have the small fusion's convolutions in fp32
    monkeypatch.setattr("deconfuse.model.bf16.HAS_TILES", False)
    model = make_model(ENCODERS, "deconvolution")
    kinds: dict[str, set[torch.dtype]] = {name: set() for name in model.parts()}
    for name, inner in model.parts().items():
        for layer in inner.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
                layer.register_forward_hook(lambda layer, given, made, name=name: kinds[name].add(made.dtype))
    model.bf16 = frozenset([part])
    model(*model_batch(every_subset(), seed=1))
    assert kinds == {name: {torch.bfloat16 if name == part else torch.float32} for name in kinds}


# ---- what is decided

PICTURE, SMALL = ("image", [3, 32, 32]), ("image", [1, 16, 16])
SOUND, CLIP, TEXT, FEATURES = ("frames", [63, 28]), ("video", [8, 1, 24, 24]), ("tokens", [32]), ("frames", [1, 512])
# encoder, what it reads, width, whether bf16 pays: as `python -m benchmarks.precision` measures it
TABLE = [
    ("cnn", PICTURE, 64, True),
    ("cnn", SMALL, 64, False),
    ("cnn", SOUND, 64, True),
    ({"name": "cnn", "channels": [8, 8]}, PICTURE, 64, False),
    ("deconvolution", PICTURE, 64, True),
    ("deconvolution", SMALL, 64, True),
    ("deconvolution", ("image", [1, 8, 8]), 64, False),
    ("ddnet", PICTURE, 64, True),
    ("ddnet", SMALL, 64, False),
    ("cnn_lstm", CLIP, 64, False),
    ({"name": "cnn_lstm", "channels": [32, 64]}, CLIP, 64, True),
    ("cnn3d", CLIP, 64, False),
    ("cnn3d", ("video", [8, 3, 64, 64]), 64, False),
    ({"name": "cnn3d", "channels": [32, 64, 128]}, ("video", [8, 3, 64, 64]), 64, True),
    ("lstm", TEXT, 64, False),
    ({"name": "lstm", "cell": "gru"}, TEXT, 64, False),
    ({"name": "lstm", "hidden": 128}, TEXT, 64, False),
    ({"name": "lstm", "hidden": 256}, TEXT, 64, True),
    ("lstm", SOUND, 64, False),
    ("transformer", TEXT, 64, False),
    ("transformer", TEXT, 512, True),
    ("linear", FEATURES, 64, False),
    ("linear", ("frames", [32, 768]), 512, True),
]


def alone(encoder: Any, layout: str, shape: list[int], width: int) -> tuple[Any, Dataset]:
    """A model of one encoder, and samples for it."""
    vocabulary = 50 if layout == "tokens" else 0
    spec = {"layout": layout, "shape": shape, "vocabulary": vocabulary, "mean": None if vocabulary else 0.0, "std": 1.0}
    torch.manual_seed(0)
    model = build(check({"encoders": {"one": encoder}, "width": width}, Entry), {"one": spec}, torch.zeros(3), "models.tried")
    x = torch.randint(2, 50, (4, *shape)) if vocabulary else torch.randn(4, *shape)
    length = {} if layout == "image" else {"one": torch.full((4,), shape[0])}
    return model, Dataset({"one": x}, length, {"one": torch.ones(4, dtype=torch.bool)}, torch.arange(4) % 3)


@pytest.mark.parametrize(("encoder", "reads", "width", "expected"), TABLE, ids=str)
def test_it_is_taken_where_it_pays(
    encoder: Any, reads: tuple[str, list[int]], width: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = alone(encoder, *reads, width)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: AMD)
    found = decide("auto", model, model.parts(), data, CPU)
    assert found.bf16 == (("encoders.one",) if expected else ())
    assert ("large enough" in str(found)) == expected
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: INTEL)
    assert decide("auto", model, model.parts(), data, CPU).bf16 == ()
    assert model.training and all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "nothing is left behind"
    assert not any(layer._forward_hooks for layer in model.modules())


def test_what_params_say_is_done_on_any_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    model, data = alone("cnn", *SMALL, 64)
    for able in (INTEL, AMD):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: able)
        assert decide("bf16", model, model.parts(), data, CPU).bf16 == ("encoders.one", "fusion")
        assert decide("fp32", model, model.parts(), data, CPU).bf16 == ()


@pytest.mark.parametrize(
    ("able", "expected"),
    [
        (INTEL | {"amx_bf16": True}, True),
        (INTEL | {"amx_bf16": False}, False),
        (AMD, True),
        (AMD | {"avx512_bf16": False}, False),
        ({"architecture": "arm64"}, False),
    ],
    ids=str,
)
def test_a_processor_is_asked_what_it_can(able: dict[str, Any], expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    assert precision.hardware(CPU) == (expected, "the processor")


def test_torch_tells_what_a_processor_can() -> None:
    if not Path("/proc/cpuinfo").exists():
        pytest.skip("only Linux tells")
    told = Path("/proc/cpuinfo").read_text()
    able = torch.cpu.get_capabilities()
    for flag in ("avx512_bf16", "amx_bf16"):
        assert bool(able.get(flag)) == (flag in told)
    assert ("Intel" in able.get("cpu_name", "")) == ("GenuineIntel" in told)


@pytest.mark.parametrize("encoder", ["cnn", "deconvolution", "ddnet"])
def test_multiplications_are_those_that_torch_counts(encoder: str) -> None:
    model, data = alone(encoder, *PICTURE, 64)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model(data.inputs, data.lengths, data.present)
    expected = sum(counted.get_flop_counts()["Global"].values()) / 2 / len(data)
    head = 64 * 3
    found = sum(labour(model, model.parts(), data)["encoders.one"].values())
    assert found == pytest.approx(expected - head)


def test_multiplications_of_sequences_by_hand() -> None:
    model, data = alone({"name": "lstm", "embedding": 10, "hidden": 7, "layers": 1, "bidirectional": True}, *TEXT, 64)
    data.lengths["one"][0] = 12
    steps = (12 + 3 * 32) / 4
    found = labour(model, model.parts(), data)["encoders.one"]
    assert list(found.values()) == pytest.approx([steps * 2 * 4 * 7 * (10 + 7), 14 * 64])


def test_a_depthwise_or_dilated_convolution_is_none_that_gains() -> None:
    assert pays(nn.Conv2d(64, 64, 3)) and pays(nn.ConvTranspose2d(16, 16, 4)) and pays(nn.Conv3d(16, 16, 3))
    assert not pays(nn.Conv2d(64, 64, 3, groups=64)) and not pays(nn.Conv2d(64, 64, 3, dilation=2)) and not pays(nn.BatchNorm2d(64))


# ---- from training to evaluation


def test_a_model_is_evaluated_in_the_precision_that_it_was_chosen_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build_project(tmp_path, precision="bf16")
    process = training(tmp_path, "concat")
    assert process.communicate()[1] == b"" and process.returncode == 0
    monkeypatch.chdir(tmp_path)
    about = json.loads(Path("data/models/concat/model.json").read_text())
    run = json.loads(Path("data/models/concat/run.json").read_text())
    parts = sorted([*(f"encoders.{name}" for name in about["modalities"]), "fusion"])
    assert about["bf16"] == parts == run["precision"]["bf16"] and run["precision"]["asked"] == "bf16"
    model = untrained("concat", about, torch.tensor([1 / 3] * 3).log())
    model.load_state_dict(read_weights("concat", about, 0))
    assert model.bf16 == set(parts)
    with Path("data/models/concat/history.csv").open() as file:
        kept = min(float(row["val_loss"]) for row in csv.DictReader(file))
    found = {}
    for name, parts in (("as trained", model.bf16), ("fp32", frozenset())):
        model.bf16 = parts
        found[name] = loss(model)
    assert found["as trained"] == pytest.approx(kept, rel=1e-6)
    assert abs(found["fp32"] - kept) > 1e-5 and not math.isnan(found["fp32"])


def loss(model: Any) -> float:
    """On the val split of a small project."""
    stored = read("val", list(MODEL_SPECS), sorted(MODEL_SPECS)).usable()
    data = place({"val": stored}, CPU, None, print)["val"]
    return float(nn.functional.cross_entropy(predict(model, data), data.label))
