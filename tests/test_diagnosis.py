"""A diagnosis measures what it names, on nets whose answer is known, and leaves the training as it is."""

import csv
import hashlib
import math
from contextlib import chdir
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import torch
from ruamel.yaml import YAML
from small_project import MODELS, build
from test_checkpoints import Crash, deep
from test_model import batch, make
from test_training import TRAIN, VAL, Net, recipe
from torch import Tensor, nn

from deconfuse.model.dataset import Dataset
from deconfuse.tracking.record import read as tracked
from deconfuse.training import checkerboard
from deconfuse.training.checkpoints import Checkpoints
from deconfuse.training.diagnosis import COLUMNS, Diagnosis, summary
from deconfuse.training.layers import layers
from deconfuse.training.loop import fit
from deconfuse.training.optimisation import optimizer
from deconfuse.training.probe import probe
from deconfuse.training.state import State
from stages.train import main as train

torch.set_num_threads(1)

PROBE = TRAIN.batch(slice(0, 64))
Found = dict[tuple[int, str], dict[str, Any]]


class Stack(Net):
    """Layers over a point in the plane."""

    def __init__(self, *stack: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*stack)


def diagnosed(model: nn.Module, **changes: Any) -> State:
    plan = recipe(model, **changes)
    return fit(model, TRAIN, VAL, replace(plan, diagnosis=Diagnosis(model, PROBE, plan.plain)), lambda row: None)


def by_place(rows: list[dict[str, Any]]) -> Found:
    return {(row["epoch"], row["layer"]): row for row in rows}


# ---- known answers


def test_gradient_and_step_of_a_linear_layer_are_those_on_paper() -> None:
    """The loss is the mean of the first output: its gradient by that row of weights is the mean of the input; SGD goes rate times it."""
    torch.manual_seed(0)
    model, rate = Stack(nn.Linear(2, 2)), 0.25
    weight = model.layers[0].weight.detach().clone()
    state = diagnosed(
        model,
        epochs=2,
        batch_size=200,
        loss=lambda logits, label: logits[:, 0].mean(),
        optimizer=optimizer("sgd", model, 0.0, 0.0),
        rate=lambda step, steps: rate,
    )
    expected = TRAIN.inputs["point"].mean(0)
    rows = by_place(state.diagnosis)
    assert list(rows) == [(0, "layers.0"), (1, "layers.0"), (2, "layers.0")]
    for epoch in (0, 1, 2):
        assert rows[epoch, "layers.0"]["gradient_norm"] == pytest.approx(float(expected.norm()), rel=1e-5)
    assert rows[0, "layers.0"]["weight_norm"] == pytest.approx(float(weight.norm()))
    assert rows[0, "layers.0"]["update_ratio"] is None, "no step was taken yet"
    assert rows[1, "layers.0"]["update_ratio"] == pytest.approx(rate * float(expected.norm() / weight.norm()), rel=1e-5)
    weight[0] -= rate * expected
    assert rows[2, "layers.0"]["weight_norm"] == pytest.approx(float(weight.norm()))
    assert rows[2, "layers.0"]["update_ratio"] == pytest.approx(rate * float(expected.norm() / weight.norm()), rel=1e-5)


def test_the_gradient_is_that_of_the_last_step_before_it_is_clipped() -> None:
    """As the history has it of the whole model, which has no biases."""
    state = diagnosed(Stack(nn.Linear(2, 8, bias=False), nn.Tanh(), nn.Linear(8, 2, bias=False)), epochs=3, clip=1e-3)
    for row in state.rows:
        norms = [each["gradient_norm"] for each in state.diagnosis if each["epoch"] == row["epoch"]]
        assert len(norms) == 2 and math.hypot(*norms) == pytest.approx(row["gradient_norm"], rel=1e-5)


def test_spread_and_norms_of_what_a_layer_gives() -> None:
    """y = (3a, 4b); of the loss, the mean of the first logit, the slope is 1 / n at each sample's first output."""
    model = Stack(nn.Linear(2, 2, bias=False))
    model.layers[0].weight.data = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    given = PROBE.inputs["point"] * torch.tensor([3.0, 4.0])
    _, found = probe(model, layers(model), PROBE, lambda logits, label: logits[:, 0].mean())
    told = found["layers.0"]
    assert told["spread"] == pytest.approx(float(given.std(correction=0)), rel=1e-5)
    assert told["activation_norm"] == pytest.approx(float(given.norm(dim=1).square().mean().sqrt()), rel=1e-5)
    assert told["delta_norm"] == pytest.approx(math.sqrt(64) / 64)
    assert told["dead_share"] is told["checkerboard"] is None


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU(inplace=True), nn.LeakyReLU(0.0)])
def test_planted_dead_units_are_counted(relu: nn.Module) -> None:
    """Of 8 channels 3 are 0 wherever one looks, one is 0 but for a single pixel of a single sample, one of these three times over."""
    conv = nn.Conv2d(2, 8, 1)
    model = Stack(nn.Unflatten(1, (2, 1, 1)), nn.Upsample(scale_factor=3), conv, relu, nn.Flatten(), nn.Linear(72, 2))
    nn.init.zeros_(conv.weight)
    conv.bias.data = torch.tensor([-1.0, -1, -1, 1, 1, 1, 1, 1])
    before = {name: value.clone() for name, value in model.state_dict().items()}
    _, found = probe(model, layers(model), PROBE, nn.functional.cross_entropy)
    if isinstance(relu, nn.ReLU):
        assert found["layers.2"]["dead_share"] == 3 / 8
    else:
        assert found["layers.2"]["dead_share"] is None, "it is no ReLU"
    # what a ReLU changes in place was looked at before
    assert found["layers.2"]["spread"] == pytest.approx(math.sqrt(15) / 4) and found["layers.5"]["dead_share"] is None
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_a_unit_that_lives_in_one_sample_lives() -> None:
    layer = nn.Linear(2, 4)
    nn.init.zeros_(layer.weight)
    layer.weight.data[0, 0] = layer.weight.data[1, 0] = 1.0
    most = PROBE.inputs["point"][:, 0].max()
    layer.bias.data = torch.tensor([-float(most) + 1e-3, -float(most), -1.0, 1.0])
    model = Stack(layer, nn.ReLU(), nn.Linear(4, 2))
    _, found = probe(model, layers(model), PROBE, nn.functional.cross_entropy)
    assert found["layers.0"]["dead_share"] == 0.5


def plain(scale: float, bias: bool, depth: int = 10) -> Stack:
    """A deep net without norms, all of whose maps are so many times a rotation; its input is so small that no unit saturates."""
    torch.manual_seed(0)
    stack: list[nn.Module] = [nn.Linear(2, 16, bias=False)]
    stack[0].weight.data *= 1e-6
    for _ in range(depth):
        inner = nn.Linear(16, 16, bias)
        nn.init.orthogonal_(inner.weight, scale)
        stack += [inner, nn.Tanh()]
    return Stack(*stack, nn.Linear(16, 2))


def at_first(model: Stack) -> list[dict[str, Any]]:
    rows = [row for row in diagnosed(model, epochs=1, rate=lambda step, steps: 1e-12).diagnosis if row["epoch"] == 0]
    assert [row["depth"] for row in rows] == list(range(1, len(rows) + 1))
    return rows


def test_a_gradient_that_vanishes_is_told() -> None:
    """Biases keep what layers give alive, while the gradient loses seven tenths or more at each of them."""
    rows = at_first(plain(0.3, bias=True))
    assert rows[1]["gradient_norm"] < 1e-4 * rows[-1]["gradient_norm"] and rows[0]["delta_norm"] < 1e-4 * rows[-2]["delta_norm"]
    assert all(row["spread"] > 0.03 for row in rows[1:])


def test_a_gradient_that_explodes_is_told_though_the_ratio_of_first_to_last_hides_it() -> None:
    """Without biases what layers give grows as fast on the way down as the gradient does on the way up: the weights' gradient, the product
    of both, is as large everywhere."""
    steady, exploding = at_first(plain(1.0, bias=False)), at_first(plain(3.0, bias=False))
    assert exploding[1]["gradient_norm"] == pytest.approx(exploding[-2]["gradient_norm"], rel=0.1)
    for one, other in zip(exploding[1:-1], steady[1:-1], strict=True):
        assert one["gradient_norm"] == pytest.approx(3.0**9 * other["gradient_norm"], rel=0.1)
    for row, slope in ((0, 3.0**10), (1, 3.0**9), (9, 3.0)):
        assert exploding[row]["delta_norm"] / exploding[-2]["delta_norm"] == pytest.approx(slope, rel=0.1)
        assert exploding[-2]["spread"] / exploding[row]["spread"] == pytest.approx(slope, rel=0.1)


def test_the_summary_is_of_first_and_last_layer_median_step_and_mean_dead_share() -> None:
    def row(kind: str, part: str, gradient: float, update: float | None, dead: float | None) -> dict[str, Any]:
        return {"kind": kind, "part": part, "gradient_norm": gradient, "update_ratio": update, "dead_share": dead}

    rows = [
        row("norm", "image", 9.0, 1e-3, 0.5),
        row("conv", "image", 2.0, 2e-3, 0.0),
        row("transposed_conv", "image", 7.0, 9e-3, 0.25),
        row("linear", "image", 8.0, 4e-3, None),
        row("linear", "head", 1.0, 8e-3, None),
    ]
    expected = {"diagnosis/gradient_ratio/image": 0.25, "diagnosis/update_ratio": 4e-3, "diagnosis/dead_share": 0.25}
    assert summary(rows) == expected
    still = [row("conv", "image", 0.0, None, None), row("conv", "image", 0.0, None, None)]
    assert summary(still) == {"diagnosis/gradient_ratio/image": 0.0, "diagnosis/update_ratio": 0.0}, "where no gradient is, none is reached"


# ---- checkerboards


def test_a_checkerboard_is_all_of_period_two_and_a_slope_nearly_none() -> None:
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(12.0), indexing="ij")
    patterns = {"both": (-1) ** (x + y), "columns": (-1) ** x * (1 + y), "rows": (-1) ** y}
    for name, pattern in patterns.items():
        assert checkerboard.share(*map(float, checkerboard.energies(pattern + 5))) == pytest.approx(1.0), name
    smooth = torch.sin(2 * math.pi * y / 16) + torch.cos(2 * math.pi * x / 12)
    assert checkerboard.share(*map(float, checkerboard.energies(smooth))) == pytest.approx(0.0, abs=1e-9)
    assert checkerboard.share(*map(float, checkerboard.energies(y + x))) < 0.05
    half = patterns["both"] * math.sqrt(2) + 2 * torch.sin(2 * math.pi * y / 16)
    assert checkerboard.share(*map(float, checkerboard.energies(half))) == pytest.approx(0.5)
    assert checkerboard.share(*map(float, checkerboard.energies(torch.ones(3, 8, 8)))) == 0.0, "a flat map has no waves"


def test_the_energies_are_those_of_the_fourier_transform() -> None:
    maps = torch.randn(3, 2, 10, 14, generator=torch.Generator().manual_seed(0))
    power = torch.fft.fft2(maps.double()).abs().square()
    power[..., 0, 0] = 0
    lines = power.clone()
    lines[..., [i for i in range(10) if i != 5], :] *= (torch.arange(14) == 7).double()
    found, energy = checkerboard.energies(maps)
    assert float(found) == pytest.approx(float(lines.sum()) / 140) and float(energy) == pytest.approx(float(power.sum()) / 140)
    cut = torch.cat([maps, torch.full((3, 2, 1, 14), 9.0)], 2)
    assert float(checkerboard.energies(cut)[0]) == float(found), "of an odd side the last is left out"


def test_white_noise_has_the_share_that_is_said() -> None:
    maps = torch.randn(4000, 8, 6, generator=torch.Generator().manual_seed(0))
    assert checkerboard.noise(8, 6) == 13 / 47
    assert checkerboard.share(*map(float, checkerboard.energies(maps))) == pytest.approx(13 / 47, rel=0.02)


@pytest.mark.parametrize(
    ("kernel", "stride", "expected"),
    [(2, 2, 0.0), (4, 2, 0.0), (6, 2, 0.0), (3, 1, 0.0), (3, 2, math.sqrt(1.1875) / 2.25), (5, 2, math.sqrt(3.1875) / 6.25)],
)
def test_the_overlap_is_uneven_where_the_stride_does_not_divide_the_kernel(kernel: int, stride: int, expected: float) -> None:
    layer = nn.ConvTranspose2d(1, 1, kernel, stride, bias=False)
    assert checkerboard.unevenness(layer) == pytest.approx(expected)
    nn.init.ones_(layer.weight)
    made = layer(torch.ones(1, 1, 12, 12))[..., kernel : -kernel - kernel % stride, kernel : -kernel - kernel % stride].detach()
    assert checkerboard.unevenness(layer) == pytest.approx(float(made.std(correction=0) / made.mean())), "as taps of 1 count them"


def bilinear(kernel: int) -> nn.ConvTranspose2d:
    layer = nn.ConvTranspose2d(1, 1, kernel, 2, 1, bias=False)
    slope = 1 - (torch.arange(kernel) - (kernel - 1) / 2).abs() / 2
    layer.weight.data = (slope[:, None] * slope)[None, None]
    return layer


def test_an_uneven_kernel_leaves_a_checkerboard_on_a_flat_input_and_a_bilinear_one_does_not() -> None:
    uneven = nn.ConvTranspose2d(1, 1, 3, 2, 1, output_padding=1, bias=False)
    nn.init.ones_(uneven.weight)
    flat = torch.ones(1, 1, 16, 16)
    found = {
        name: checkerboard.share(*map(float, checkerboard.energies(layer(flat).detach())))
        for name, layer in (("uneven", uneven), ("bilinear", bilinear(4)))
    }
    assert found["uneven"] > 0.85 and found["bilinear"] < 0.05


# ---- every model


@pytest.mark.parametrize("name", MODELS)
def test_every_layer_of_a_model_is_told_of_in_the_order_of_its_work(name: str, diagnosed_project: Path) -> None:
    with (diagnosed_project / f"data/models/{name}/diagnosis.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    epochs = {epoch: list(each) for epoch, each in groupby(rows, lambda row: int(row["epoch"]))}
    assert list(epochs) == [0, 1, 2]
    for epoch, found in epochs.items():
        assert len({row["layer"] for row in found}) == len(found)
        for part in {row["part"] for row in found}:
            inner = [row for row in found if row["part"] == part]
            assert [int(row["depth"]) for row in inner] == list(range(1, len(inner) + 1))
            last = [row["layer"] for row in inner if row["kind"] != "other"][-1]
            assert part in ("fusion", "head") or last.removeprefix(f"encoders.{part}.") in LAST
        for row in found:
            assert float(row["gradient_norm"]) >= 0 and float(row["weight_norm"]) > 0 and row["seed"] == "0"
            assert (row["update_ratio"] == "") == (epoch == 0)
            assert row["spread"] != "" or row["kind"] == "other", row
            assert (row["overlap_unevenness"] != "") == (row["kind"] == "transposed_conv")
            assert row["stride"] in {"transposed_conv": ("2",), "conv": ("1", "2")}.get(row["kind"], ("",))


LAST = ("tokens.project", "project", "norm")


@pytest.fixture(scope="module")
def diagnosed_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project, all models trained with a diagnosis."""
    return trained(tmp_path_factory.mktemp("diagnosed"), diagnose=True)


def trained(root: Path, **settings: Any) -> Path:
    build(root, epochs=2, **settings)
    with chdir(root):
        for name in MODELS:
            train(name)
    return root


def test_what_is_learnt_does_not_depend_on_it(diagnosed_project: Path, tmp_path: Path) -> None:
    other = trained(tmp_path)
    for name in MODELS:
        one, two = (root / "data/models" / name for root in (diagnosed_project, other))
        digests = [hashlib.sha256((path / "seeds/0/weights.safetensors").read_bytes()).hexdigest() for path in (one, two)]
        assert digests[0] == digests[1], name
        assert (two / "diagnosis.csv").read_text() == ",".join(COLUMNS) + "\n", "nobody asked for it"
        with (one / "history.csv").open() as mine, (two / "history.csv").open() as plain:
            rows, plain_rows = list(csv.DictReader(mine)), list(csv.DictReader(plain))
        told = {key for key in rows[0] if key.startswith("diagnosis/")}
        assert "diagnosis/update_ratio" in told and set(rows[0]) - told == set(plain_rows[0])
        assert [{key: value for key, value in row.items() if key not in told} for row in rows] == plain_rows


def test_mlflow_gets_a_curve_of_each_figure_and_the_table(diagnosed_project: Path) -> None:
    record = tracked("cnn", diagnosed_project)
    with (diagnosed_project / "data/models/cnn/history.csv").open() as file:
        rows = list(csv.DictReader(file))
    for name in ("diagnosis/gradient_ratio/image", "diagnosis/update_ratio", "diagnosis/dead_share"):
        assert [(value, epoch) for metric, value, _, epoch in record.curves if metric == name] == [
            (float(row[name]), int(row["epoch"])) for row in rows
        ]
    assert record.files["diagnosis.csv"] == diagnosed_project / "data/models/cnn/diagnosis.csv"


def test_a_model_may_ask_for_itself(tmp_path: Path) -> None:
    build(tmp_path, epochs=1)
    path = tmp_path / "params.yaml"
    params = YAML(typ="safe").load(path)
    params["models"] = {name: {"encoders": {"image": "cnn"}, "train": {"diagnose": name == "mine"}} for name in ("mine", "other")}
    YAML().dump(params, path)
    with chdir(tmp_path):
        for name in params["models"]:
            train(name)
    lines = {name: (tmp_path / f"data/models/{name}/diagnosis.csv").read_text().count("\n") for name in params["models"]}
    assert lines["mine"] > 10 and lines["other"] == 1


def test_going_on_from_every_step_gives_the_same_rows(tmp_path: Path) -> None:
    def run(folder: Path, crash_after: int | None = None) -> State:
        model, calls = deep(), 0
        made = optimizer("adamw", model, 0.01, 0.9)
        plan = recipe(model, epochs=3, batch_size=64, optimizer=made, clip=0.1, average=0.9)
        plan = replace(plan, diagnosis=Diagnosis(model, PROBE, plan.plain))
        checkpoints = Checkpoints(folder, "k", 0.0, lambda line: None)

        def pause(state: State) -> None:
            nonlocal calls
            calls += 1
            checkpoints.save(model, made, state)
            if calls == crash_after:
                raise Crash

        return fit(model, TRAIN, VAL, plan, lambda row: None, checkpoints.latest(model, made), pause)

    undisturbed = run(tmp_path / "none")
    assert {row["epoch"] for row in undisturbed.diagnosis} == {0, 1, 2, 3}
    for after in (1, 3, 4, 5, 6, 13):
        folder = tmp_path / str(after)
        with pytest.raises(Crash):
            run(folder, after)
        went_on = run(folder)
        assert went_on.diagnosis == undisturbed.diagnosis and went_on.rows == undisturbed.rows
        assert all(torch.equal(undisturbed.weights[name], value) for name, value in went_on.weights.items())


def test_a_probe_leaves_statistics_modes_gradients_and_draws_alone() -> None:
    """Of a model with batch norm and dropout, of which a part is in evaluation."""
    model = deep().train()
    model.layers[4].eval()
    nn.functional.cross_entropy(model(PROBE.inputs, {}, {})[0], PROBE.label).backward()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    gradients = [value.grad.clone() for value in model.parameters()]
    modes, drawn = [module.training for module in model.modules()], torch.get_rng_state()
    _, found = probe(model, layers(model), PROBE, nn.functional.cross_entropy)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(torch.equal(old, value.grad) for old, value in zip(gradients, model.parameters(), strict=True))
    assert modes == [module.training for module in model.modules()] and torch.equal(drawn, torch.get_rng_state())
    assert not any(module._forward_hooks for module in model.modules())
    assert probe(model, layers(model), PROBE, nn.functional.cross_entropy)[1] == found


def test_norms_take_the_probes_own_statistics() -> None:
    model = Stack(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    _, found = probe(model.eval(), layers(model), PROBE, nn.functional.cross_entropy)
    assert found["layers.1"]["spread"] == pytest.approx(1.0, abs=1e-3), "though its running statistics are still those of nothing"


class Own(nn.Module):
    """Works with its layer's weights by itself, as an encoder may."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.layer.weight, self.layer.bias)


def test_a_model_that_averages_its_answers_is_told_of_as_it_is_trained() -> None:
    inputs, lengths, present = batch([[True] * 4] * 5, seed=1)
    data, found = Dataset(inputs, lengths, present, torch.tensor([0, 1, 2, 0, 1])), []
    for augment in ({}, {"image": [{"name": "flip", "averaged": True}]}):
        model = make({"image": "cnn"}, None, augment)
        found.append(probe(model, layers(model), data, nn.functional.cross_entropy)[1])
    assert found[0] == found[1]


def test_a_layer_whose_owner_works_with_its_weights_has_its_place_and_no_output() -> None:
    model = Stack(Own(), nn.Linear(4, 3), nn.Linear(3, 2))
    ordered, found = probe(model, layers(model), PROBE, nn.functional.cross_entropy)
    assert [layer.name for layer in ordered] == ["layers.0.layer", "layers.1", "layers.2"]
    assert found["layers.0.layer"]["spread"] is None and found["layers.1"]["spread"] is not None
