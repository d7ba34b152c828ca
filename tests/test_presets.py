"""Every preset is a right params file, builds its models, and has the designs that its head promises."""

import json
import re
from math import prod
from pathlib import Path
from typing import Any

import disk_networks
import pytest
import torch
from torch import nn

from deconfuse.encoders import Encoder
from deconfuse.kernel.lookup import part
from deconfuse.kernel.params import check, load
from deconfuse.model.build import build
from deconfuse.model.build import check as check_build
from deconfuse.model.multimodal import Model
from deconfuse.preparing.writing import form
from deconfuse.regularisation.reconstruction import check as check_reconstruction
from deconfuse.validation import Params, validate

torch.set_num_threads(1)

FILES = sorted(Path("presets").glob("*.yaml"))
PRESETS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
KINDS = {
    "ag_news": {"text": "text"},
    "cifar10": {"image": "image"},
    "digits": {"audio": "audio", "image": "image", "text": "text", "video": "video"},
    "easy_vqa": {"image": "image", "text": "text"},
    "data/sources/grid/manifest.csv": {"audio": "audio", "text": "text", "video": "video"},
    "mnist": {"image": "image"},
}
TEXTS = ["one two", "a one, seen!", "heard"]
# their 84 million weights are counted, not drawn
LARGE = {("cifar10_conv_deconv", "flattened")}


def with_networks(values: Any) -> Any:
    """Names on a hub replaced by a folder on this disk."""
    if isinstance(values, dict):
        return {key: disk_networks.for_texts()["network"] if key == "network" else with_networks(value) for key, value in values.items()}
    return [with_networks(value) for value in values] if isinstance(values, list) else values


def params(path: Path) -> Params:
    values = load(path)
    return check(with_networks(values) if "network" in json.dumps(values) else values, Params, path=path)


def spec(chosen: Any, kind: str, form: dict[str, Any]) -> dict[str, Any]:
    """What `embed` would say of a modality, without statistics of any data."""
    embedding = part("embeddings", chosen.name)(form | {"name": kind}, **chosen.arguments())
    values = TEXTS if kind == "text" else torch.zeros(2, *form["shape"]).to(getattr(torch, form["dtype"])).numpy()
    embedding.fit(values)
    array, _ = embedding(values, None)
    return {
        "layout": embedding.layouts[kind],
        "shape": list(array.shape[1:]),
        "mean": None if embedding.state()["vocabulary"] else 0.0,
        "std": 1.0,
        **embedding.state(),
    }


def model(path: Path, name: str) -> Model:
    chosen = params(path)
    kinds = KINDS[chosen.data.source]
    used = chosen.models[name].encoders
    specs = {modality: spec(chosen.embed[modality], kinds[modality], form(kinds[modality], chosen.preprocess)) for modality in used}
    torch.manual_seed(0)
    return build(chosen.models[name], specs, torch.zeros(10), f"models.{name}")


def parameters(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def multiplications(encoder: Encoder, shape: tuple[int, ...]) -> int:
    """Of one sample, forwards, in convolutions; each pixel that a transposed one reads is multiplied with every weight of its channel."""
    total = 0

    def add(layer: nn.Module, given: Any, made: torch.Tensor) -> None:
        nonlocal total
        places = given[0] if isinstance(layer, nn.ConvTranspose2d) else made
        total += prod(places.shape[2:]) * layer.weight.numel()

    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(add)
    with torch.no_grad():
        encoder.eval()(torch.zeros(1, *shape))
    return total


CASES = [(path, name) for path in FILES for name in load(path)["models"] if (path.stem, name) not in LARGE]


def test_there_are_presets() -> None:
    assert {"cifar10_conv_deconv", "mnist_cnn", "lstm", "transformer", "easy_vqa", "ddnet"} <= {path.stem for path in FILES}


@PRESETS
def test_a_preset_is_right_and_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# ") and re.search(r"^# Expected: .", text, re.MULTILINE)
    chosen = params(path)
    kinds = KINDS[chosen.data.source]
    assert validate({name: kinds[name] for name in chosen.embed}, path).models.keys() == chosen.models.keys()
    assert set(chosen.embed) == set(kinds), "every modality of the data set has a representation"
    for name, entry in chosen.models.items():
        check_build(entry, {}, f"{path}: models.{name}")
        check_reconstruction(entry, entry.training(chosen.train).reconstruction, f"{path}: models.{name}")


@PRESETS
def test_a_preset_names_no_machine(path: Path) -> None:
    assert params(path).data.mirror is None
    assert not re.search(r"(^|[\s\"{:,])(/|\.\./|~)\w", path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("path", "name"), CASES, ids=lambda value: value.stem if isinstance(value, Path) else value)
def test_a_preset_builds_its_models(path: Path, name: str) -> None:
    assert parameters(model(path, name)) > 0


@pytest.mark.parametrize(
    ("preset", "name", "modality", "expected"),
    [
        ("cifar10_conv_deconv", "formula", "image", 439_146),
        ("cifar10_conv_deconv", "pooled", "image", 439_274),
        ("cifar10_conv_deconv", "strided", "image", 439_274),
        ("lstm", "audio_lstm", "audio", 57_994),
        ("ddnet", "pooled", "image", 186_411),
    ],
)
def test_printed_designs_have_their_number_of_parameters(preset: str, name: str, modality: str, expected: int) -> None:
    assert parameters(model(Path(f"presets/{preset}.yaml"), name).encoders[modality]) == expected


def test_the_printed_cnn_has_its_number_of_parameters() -> None:
    for name in ("cnn", "cnn_shifted"):
        assert parameters(model(Path("presets/mnist_cnn.yaml"), name)) == 93_322


def test_the_flattened_conv_deconv_network_has_its_number_of_parameters() -> None:
    path = Path("presets/cifar10_conv_deconv.yaml")
    pooled, flattened = (params(path).models[name].encoders["image"] for name in ("pooled", "flattened"))
    assert flattened.model_dump() == pooled.model_dump() | {"grid": None}
    encoder = model(path, "pooled").encoders["image"]
    with torch.no_grad():
        channels, height, width = encoder.blocks(torch.zeros(1, 3, 32, 32)).shape[1:]
    assert parameters(encoder) + (channels * height * width - channels) * 10 == 84_324_074


def test_the_tuned_network_and_its_control_are_twins() -> None:
    path = Path("presets/cifar10_tuned.yaml")
    one, two, larger = (model(path, name).encoders["image"] for name in ("conv_deconv", "conv_only", "enlarging"))
    layers = [sum(isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) for layer in encoder.modules()) for encoder in (one, two, larger)]
    assert layers == [8, 8, 8]
    costs = [multiplications(encoder, (3, 32, 32)) for encoder in (one, two, larger)]
    assert costs[0] == costs[1] == 86_704_128 and costs[2] == 86_425_600
    assert parameters(model(path, "conv_deconv")) == parameters(model(path, "conv_only")) == 2_361_162
    entries = params(path).models
    same = [entry.model_dump(exclude={"encoders"}) for entry in entries.values()]
    assert same[0] == same[1] == same[2], "all but the encoder is the same"


def test_the_arms_of_the_diagnosis_are_twins_and_all_are_compared() -> None:
    path = Path("presets/diagnosis.yaml")
    chosen = params(path)
    for arm in ("plain", "norm", "residual", "norm_residual"):
        one, two = (model(path, f"{kind}_{arm}").encoders["image"] for kind in ("conv", "deconv"))
        shapes = [{name: value.shape for name, value in encoder.state_dict().items()} for encoder in (one, two)]
        assert shapes[0] == shapes[1] and multiplications(one, (1, 16, 16)) == multiplications(two, (1, 16, 16))
        layers = [
            [type(layer) for layer in encoder.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)] for encoder in (one, two)
        ]
        assert layers == [[nn.Conv2d] * 20, [nn.Conv2d, nn.ConvTranspose2d] * 10]
    assert chosen.train.diagnose and len(chosen.train.seeds) == 3
    pairs = [(pair.model, pair.against) for pair in chosen.report.comparisons or []]
    assert pairs[:4] == [(f"deconv_{arm}", f"conv_{arm}") for arm in ("plain", "norm", "residual", "norm_residual")]


def test_word_vectors_can_take_the_place_of_words(tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text("one " + "0.5 " * 99 + "0.5\n")
    values = load(Path("presets/easy_vqa.yaml"))
    values["embed"]["text"] = {"name": "word_vectors", "path": str(tmp_path / "vectors.txt")}
    changed = tmp_path / "changed.yaml"
    changed.write_text(json.dumps(values))
    assert model(changed, "concat").encoders["text"].rnn.input_size == 100
    assert model(Path("presets/easy_vqa.yaml"), "concat").encoders["text"].rnn.input_size == 100
