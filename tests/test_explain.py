"""Explanations of single answers: each method against its paper written out, on planted truths, and over every encoder."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from test_encoders import CASES, SPECS, WIDTH, batch, lengths, make
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from deconfuse.encoders import Spec
from deconfuse.explain import Question
from deconfuse.explain._cells import pictured, reduced
from deconfuse.explain._likeness import ranks, spearman
from deconfuse.explain._question import still
from deconfuse.explain._randomised import randomised
from deconfuse.explain.deconvolution import Deconvolution
from deconfuse.explain.grad_cam import GradCam
from deconfuse.explain.integrated_gradients import IntegratedGradients
from deconfuse.fusion._alone import Alone
from deconfuse.kernel.lookup import names, part
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model

torch.set_num_threads(1)

CLASSES = 3
PRIOR = torch.zeros(CLASSES)
CONVOLUTIONAL = ("cnn", "cnn3d", "cnn_lstm", "ddnet", "deconvolution")


def model_of(name: str, spec: Spec, **options: Any) -> Model:
    """One encoder and a head, for values that are normalised already."""
    statistics = {} if spec.layout == "tokens" else {"seen": (0.0, 1.0)}
    encoder = make(name, spec, **options)
    model = Model({"seen": encoder}, Alone("seen", WIDTH), WIDTH, statistics, PRIOR, 0.0)
    # statistics of batch norm that are those of the data
    model.train()
    x = batch(spec, 16, seed=3)
    for _ in range(10):
        model({"seen": x}, {}, {"seen": torch.ones(16, dtype=torch.bool)})
    return model.eval()


def samples_of(x: Tensor, length: Tensor | None = None) -> Dataset:
    there = torch.ones(len(x), dtype=torch.bool)
    return Dataset({"seen": x}, {} if length is None else {"seen": length}, {"seen": there}, torch.zeros(len(x)))


def asked(model: Model, x: Tensor, length: Tensor | None = None, place: int = 0) -> Question:
    weight = F.one_hot(torch.full((len(x),), place), CLASSES).float()
    return Question(still(model), samples_of(x, length), weight)


def gradient(question: Question) -> Tensor:
    x = question.inputs[0].clone().requires_grad_()
    return torch.autograd.grad(question(x, *question.beside).sum(), x)[0]


# ---- each method, written out


def test_deconvolution_is_unpooling_a_relu_on_the_signal_and_transposed_filters() -> None:
    spec = Spec("image", (2, 12, 12))
    model = model_of("cnn", spec, channels=[4, 5], norm="none", grid=None)
    x = batch(spec, 2)
    question = asked(model, x)
    found = Deconvolution()(question)["seen"]
    encoder = model.encoders["seen"]
    switches, sizes, up = [], [], x
    for block in encoder.blocks:
        sizes.append(up.shape[-2:])
        up, switch = F.max_pool2d(F.relu(block[0](up)), 2, return_indices=True)
        switches.append(switch)
    down = (model.head.weight[:1] @ encoder.tokens.project.weight).view(1, *up.shape[2:], -1).permute(0, 3, 1, 2).expand(2, -1, -1, -1)
    for block, switch, size in zip(reversed(encoder.blocks), reversed(switches), reversed(sizes), strict=True):
        # flattened, so that the test does not need what has no deterministic form
        unpooled = down.new_zeros(*down.shape[:2], size.numel()).scatter(2, switch.flatten(2), down.flatten(2)).unflatten(2, size)
        down = F.conv_transpose2d(F.relu(unpooled), block[0].weight, padding=1)
    torch.testing.assert_close(found, down.sum(1), atol=1e-5, rtol=1e-4)
    # the trap: of ReLUs that are no modules, the plain gradient would come out
    assert not torch.allclose(found, gradient(question).sum(1), atol=1e-3)


def test_integrated_gradients_are_the_mean_gradient_times_the_way() -> None:
    spec = Spec("frames", (6, 4))
    model = model_of("transformer", spec, layers=1)
    model.statistics["seen"] = (0.3, 1.7)
    x = 1.7 * batch(spec, 2) + 0.3
    question = asked(model, x)
    found = IntegratedGradients(steps=50)(question)["seen"]
    total, points = torch.zeros_like(x), 400
    for point in range(points):
        at = (0.3 + (point + 0.5) / points * (x - 0.3)).requires_grad_()
        total += torch.autograd.grad(question(at, *question.beside).sum(), at)[0] / points
    torch.testing.assert_close(found, total * (x - 0.3), atol=1e-4, rtol=1e-3)


def test_grad_cam_is_the_last_map_weighted_by_its_mean_gradients() -> None:
    spec = Spec("image", (1, 12, 12))
    model = model_of("cnn", spec, channels=[4, 5])
    question = asked(model, batch(spec, 3))
    found = GradCam()(question)["seen"]
    first, last = question.model.encoders["seen"].blocks
    maps = last[2](last[1](last[0](first(question.inputs[0])))).detach().requires_grad_()
    tokens, _ = question.model.encoders["seen"].tokens(last[3](maps))
    slope = torch.autograd.grad(question.model.head(tokens.mean(1))[:, 0].sum(), maps)[0]
    cam = (slope.mean((2, 3), keepdim=True) * maps).sum(1, keepdim=True).relu()
    assert cam.shape == (3, 1, 6, 6)
    torch.testing.assert_close(found, F.interpolate(cam, (12, 12), mode="bilinear")[:, 0].detach(), atol=1e-5, rtol=1e-4)


def test_grad_cam_of_a_clip_stays_with_its_frames() -> None:
    """A filter that sees brightness, and a clip of which one frame is bright."""
    spec = Spec("video", (4, 1, 8, 8))
    model = model_of("cnn_lstm", spec, channels=[2], grid=2)
    clip = torch.zeros(1, 4, 1, 8, 8)
    clip[0, 2] = 3.0
    encoder = model.encoders["seen"]
    nn.init.constant_(encoder.blocks[0][0].weight, 0.2)
    found = torch.stack([GradCam()(asked(model, clip, place=place))["seen"] for place in range(CLASSES)]).sum(0)
    assert found.shape == (1, 4, 8, 8)
    assert found[0].sum((1, 2)).argmax() == 2


# ---- what can be explained of which encoder


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_every_encoder_is_explained_or_is_said_not_to_be(name: str, layout: str) -> None:
    spec = SPECS[layout]
    model = model_of(name, spec)
    x, length = batch(spec, 3), lengths(spec, 3)
    question = asked(model, x, length)
    reached = {way: part("explain", way)().reaches(question) == ["seen"] for way in names("explain")}
    is_convolutional = name in CONVOLUTIONAL or (name == "pretrained" and layout == "image")
    assert reached == {"integrated_gradients": True, "grad_cam": is_convolutional, "deconvolution": is_convolutional}
    for way in names("explain"):
        method = part("explain", way)()
        maps = method(question)
        assert sorted(maps) == method.reaches(question)
        for found in maps.values():
            assert found.shape == (3, *question.cells("seen")) and torch.isfinite(found).all()
            assert found[question.valid("seen")].any()
            if layout in ("video", "tokens") and way == "integrated_gradients":
                assert not found[~question.valid("seen")].any(), "what is beyond the end speaks"


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_integrated_gradients_add_up(name: str, layout: str) -> None:
    spec = SPECS[layout]
    question = asked(model_of(name, spec), batch(spec, 3), lengths(spec, 3))
    answer, baseline = (question(*start, *question.beside).detach() for start in (question.inputs, question.baselines))
    total = IntegratedGradients(steps=256)(question)["seen"].flatten(1).sum(1)
    error = (total - (answer - baseline)).abs().mean() / (answer - baseline).abs().mean()
    # its norm, over each frame, makes any contrast a full one: the answer jumps as soon as the clip is no longer grey
    assert error > 0.5 if name == "cnn3d" else error < 0.03


class Rectifications(TorchDispatchMode):
    """How often anything is rectified, whoever asks for it."""

    seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += func.__name__.startswith(("relu", "clamp_min", "threshold"))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_encoders_rectify_by_modules_each_used_once(name: str, layout: str) -> None:
    if name == "pretrained":
        pytest.skip("not our own")
    encoder = make(name, SPECS[layout], activation="relu") if name in ("cnn", "ddnet", "deconvolution") else make(name, SPECS[layout])
    modules = [module for module in encoder.modules() if isinstance(module, nn.ReLU)]
    calls: list[nn.Module] = []
    for module in modules:
        module.register_forward_hook(lambda module, *_: calls.append(module))
    with Rectifications() as mode, torch.no_grad():
        encoder.eval()(batch(SPECS[layout], 2), lengths(SPECS[layout], 2))
    assert mode.seen == len(calls) == len(set(calls)) == len(modules)


def test_bf16_parts_are_explained_in_fp32_and_stay_as_they_are() -> None:
    spec = Spec("image", (1, 12, 12))
    model = model_of("cnn", spec)
    x = batch(spec, 2)
    plain = IntegratedGradients()(asked(model, x))["seen"]
    model.bf16 = frozenset({"encoders.seen", "fusion"})
    assert torch.equal(IntegratedGradients()(asked(model, x))["seen"], plain)
    assert model.bf16 == frozenset({"encoders.seen", "fusion"})


# ---- planted truths


def trained(model: Model, data: Dataset, steps: int) -> Model:
    """Learnt by heart on all of it at once."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(steps):
        loss = F.cross_entropy(model(data.inputs, data.lengths, data.present)[0], data.label.long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    return model.eval()


@pytest.fixture(scope="module")
def cornered() -> Question:
    """Noise whose class is whether the upper left is bright, dark, or neither."""
    torch.manual_seed(0)
    x, label = torch.randn(96, 1, 16, 16), torch.arange(96) % 3
    x[:, :, :5, :5] += 3.0 * (label - 1)[:, None, None, None]
    there = torch.ones(96, dtype=torch.bool)
    model = trained(
        model_of("cnn", Spec("image", (1, 16, 16)), channels=[8, 8], grid=4), Dataset({"seen": x}, {}, {"seen": there}, label), 60
    )
    kept = label[:24] != 1
    batch = Dataset({"seen": x[:24][kept]}, {}, {"seen": there[:24][kept]}, label[:24][kept])
    return Question(still(model), batch, F.one_hot(batch.label, 3).float())


def test_what_one_corner_decides_is_explained_by_that_corner(cornered: Question) -> None:
    for method, least in ((IntegratedGradients(), 0.6), (GradCam(), 0.5)):
        found = method(cornered)["seen"].abs()
        share = found[:, :6, :6].sum((1, 2)) / found.sum((1, 2))
        # the corner is a seventh of the picture
        assert share.mean() > least, type(method).__name__


def test_the_word_that_decides_is_the_one_that_counts() -> None:
    torch.manual_seed(0)
    ids, label = torch.randint(3, 13, (90, 6)), torch.arange(90) % 2
    length = torch.randint(3, 7, (90,))
    place = (torch.rand(90) * length).long()
    ids[torch.arange(90), place] = torch.where(label == 1, 2, ids[torch.arange(90), place])
    data = Dataset({"seen": ids}, {"seen": length}, {"seen": torch.ones(90, dtype=torch.bool)}, label)
    model = trained(model_of("lstm", Spec("tokens", (6,), vocabulary=13), hidden=16, layers=1), data, 60)
    has = torch.arange(1, 90, 2)
    found = IntegratedGradients()(Question(still(model), data.batch(has), F.one_hot(label[has], 3).float()))["seen"]
    assert (found.argmax(1) == place[has]).float().mean() > 0.9


# ---- models that have forgotten


def test_a_randomised_head_leaves_the_rest_and_all_leaves_nothing() -> None:
    torch.manual_seed(0)
    encoder = make("transformer", SPECS["tokens"], positions="learned")
    model = Model({"seen": encoder}, Alone("seen", WIDTH), WIDTH, {}, PRIOR, 0.0).eval()
    for norm in (module for module in model.modules() if isinstance(module, nn.LayerNorm)):
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    before, state = {key: value.clone() for key, value in model.state_dict().items()}, torch.get_rng_state()
    head, everything, again = randomised(model, "head", 1), randomised(model, "all", 1), randomised(model, "all", 1)
    assert {key for key, value in head.state_dict().items() if not torch.equal(value, before[key])} == {"head.weight", "head.bias"}
    assert {key for key, value in everything.state_dict().items() if torch.equal(value, before[key])} == {"log_prior"}
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in everything.state_dict().items())
    assert not torch.equal(randomised(model, "all", 2).head.weight, everything.head.weight)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


# ---- maps


def test_rank_correlation_is_scipys_with_ties() -> None:
    draw = np.random.default_rng(0)
    for _ in range(20):
        one, other = draw.integers(0, 6, (2, 30)).astype(float)
        np.testing.assert_allclose(ranks(one) + 1, stats.rankdata(one))
        assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic)
    assert np.isnan(spearman(np.ones(5), np.arange(5.0)))


@pytest.mark.parametrize(
    ("shape", "layout", "is_sound", "expected"),
    [
        ((16, 16), "image", False, (16, 16)),
        ((50, 200), "image", False, (25, 29)),
        ((39, 32), "frames", True, (16, 20)),
        ((100, 7), "frames", False, (1, 50)),
        ((8, 24, 24), "video", False, (1, 8)),
        ((70,), "tokens", False, (1, 64)),
    ],
)
def test_maps_are_made_small_and_keep_their_sum(shape: tuple, layout: str, is_sound: bool, expected: tuple) -> None:
    cells = np.random.default_rng(0).normal(size=shape)
    found = reduced(cells, layout, is_sound)
    assert found.shape == expected
    assert found.sum() == pytest.approx(cells[:64].sum() if layout == "tokens" else cells.sum())


def test_low_bands_come_first_and_time_runs_along() -> None:
    sound = np.zeros((10, 4))
    sound[7, 1] = 1
    assert np.argwhere(reduced(sound, "frames", True)).tolist() == [[1, 7]]
    assert pictured(np.arange(12.0).reshape(3, 4), 2, 2).tolist() == [[0 + 1 + 4 + 5, 2 + 3 + 6 + 7], [8 + 9, 10 + 11]]
