"""The arms of a comparison: convolution and its transposed twin, with and without normalisation and residuals; network deconvolution."""

from typing import Any

import pytest
import torch
from test_encoders import batch, leaves, make
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from deconfuse.encoders import Spec
from deconfuse.encoders._blocks import Residual
from deconfuse.encoders._network_deconvolution import EPSILON, NetworkDeconvolution, inverse_root
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import part
from deconfuse.processes.whole_batch import see_whole_batches

torch.set_num_threads(1)

PICTURE = Spec("image", (1, 12, 12))
CONV: dict[str, Any] = {"channels": [6, 6, 6], "repeat": 2, "pools": 0}
TRANSPOSED: dict[str, Any] = {"channels": [6, 6, 6], "stride": 1, "growth": 1, "kernel": 3}
ARMS = pytest.mark.parametrize("arm", [{"norm": norm, "residual": residual} for norm in ("batch", "none") for residual in (False, True)])


@ARMS
@pytest.mark.parametrize(
    ("pools", "sides"),
    [({"pools": 0}, [12] * 6), ({"pools": 1}, [12, 12, 6, 6, 6, 6]), ({"pools": 2, "pooled": "first"}, [12, 6, 6, 3, 3, 3])],
)
def test_a_convolutional_twin_has_the_same_layers_maps_and_cost(arm: dict[str, Any], pools: dict[str, Any], sides: list[int]) -> None:
    found = []
    for name, options in (("cnn", CONV), ("deconvolution", TRANSPOSED)):
        encoder, sizes = make(name, PICTURE, **options | pools, **arm), []
        for layer in leaves(encoder, nn.Conv2d, nn.ConvTranspose2d):
            layer.register_forward_hook(lambda layer, given, made: sizes.append(tuple(made.shape)))  # noqa: B023
        with FlopCounterMode(display=False) as counter:
            encoder(batch(PICTURE, 2))[0].sum().backward()
        shapes = {key: tuple(value.shape) for key, value in encoder.state_dict().items()}
        # the first layer has another number of channels in, which a transposed kernel has in the first place
        found.append((shapes, sizes, counter.get_total_flops()))
    assert found[0] == found[1]
    assert found[0][1] == [(2, 6, side, side) for side in sides]


@ARMS
def test_norms_biases_and_residuals_are_there_where_they_are_asked_for(arm: dict[str, Any]) -> None:
    for name, options in (("cnn", CONV), ("deconvolution", TRANSPOSED)):
        encoder = make(name, PICTURE, **options, **arm)
        convolutions = leaves(encoder.blocks, nn.Conv2d, nn.ConvTranspose2d)
        assert len(leaves(encoder, nn.BatchNorm2d)) == (6 if arm["norm"] == "batch" else 0)
        assert {layer.bias is None for layer in convolutions} == {arm["norm"] == "batch"}
        # the first block goes from 1 channel to 6
        assert len(leaves(encoder, Residual)) == (2 if arm["residual"] else 0)


def test_a_residual_adds_a_blocks_input_before_the_pool() -> None:
    encoder = make("cnn", PICTURE, channels=[4, 4], norm="none", residual=True).eval()
    x = batch(PICTURE, 2)
    first, second = encoder.blocks
    conv = second[0].block[0]
    before = first(x)
    expected = F.max_pool2d(before + conv(before).relu(), 2, ceil_mode=True)
    torch.testing.assert_close(second(before), expected)
    encoder = make("deconvolution", PICTURE, channels=[4, 4], residual=True).eval()
    first, second = encoder.blocks
    before = first(x)
    torch.testing.assert_close(second(before), before + second[0].block(before))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("cnn", {"channels": [4, 8], "residual": True}, "`residual` needs a block of as many channels as the one before it"),
        (
            "cnn",
            {"channels": [4, 4], "padding": "valid", "residual": True},
            "`residual` needs blocks that keep height and width, .* 3 x 3 of 5",
        ),
        ("deconvolution", {"channels": [4, 4], "stride": 1, "residual": True}, "but one makes 48 x 48 of 24 x 24"),
        ("deconvolution", {"kernel": 1, "growth": 2}, "a kernel of 1 leaves gaps at a growth of 2"),
        ("deconvolution", {"kernel": 2, "growth": 1}, "a kernel of 2 cannot keep the size of a map"),
        ("deconvolution", {"channels": [4, 4], "kernel": 4, "growth": 2, "pools": 2}, "`pools: 2` would pool the last of 2 blocks"),
        ("deconvolution", {"channels": [4, 4, 8], "pools": 2, "pooled": "first", "residual": True}, "`residual` needs a block of as many"),
    ],
)
def test_what_cannot_be_is_refused(name: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make(name, PICTURE, **options)
    if "kernel" in options:
        with pytest.raises(UserError, match=words):
            part("encoders", name).check(None, 8, **{"channels": [4], "pools": 0} | options)


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_a_pool_before_the_relu_learns_what_one_behind_it_learns(norm: str) -> None:
    encoder = make("cnn", PICTURE, channels=[6, 8, 4, 4], norm=norm).to(memory_format=torch.channels_last)
    # few values, so that largest ones are not alone
    x, sizes = batch(PICTURE, 8).round().to(memory_format=torch.channels_last), []
    for layer in leaves(encoder, nn.ReLU):
        layer.register_forward_hook(lambda layer, given, made: sizes.append(made.shape[-1]))
    for block in encoder.blocks:
        found = []
        for layers in (block, nn.Sequential(*block)):
            given = x.clone().requires_grad_()
            made = layers(given)
            weigh = torch.randn(made.shape, generator=torch.Generator().manual_seed(2))
            found.append((made, *torch.autograd.grad((made * weigh).sum(), [given, *block.parameters()])))
        assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
        assert found[0][0].stride() == found[1][0].stride(), "the order in memory"
        x = found[0][0].detach()
    assert sizes == [6, 12, 3, 6, 2, 3, 2, 2]
    sizes.clear()
    encoder.eval()(batch(PICTURE, 2))
    assert sizes == [12, 6, 3, 2], "explanations look at the larger map"


def test_the_first_blocks_of_a_deconvolution_end_in_a_pool() -> None:
    x = batch(PICTURE, 2)
    encoder = make("deconvolution", PICTURE, channels=[4, 8, 8], pools=1, residual=True).eval()
    first, *others = encoder.blocks
    torch.testing.assert_close(first(x), F.max_pool2d(first[:-1](x), 2))
    assert [block(maps).shape[-1] for block, maps in zip(others, (first(x), others[0](first(x))), strict=True)] == [6, 6]


def test_a_pool_right_behind_the_convolution_leaves_the_rest_of_the_block_a_smaller_map() -> None:
    x = batch(PICTURE, 2)
    shape = {"channels": [8, 8, 8], "stride": 1, "growth": 1, "kernel": 3}
    encoder = make("deconvolution", PICTURE, **shape, pools=2, pooled="first", residual=True).eval()
    first, second, third = encoder.blocks
    convolution, pool, *rest = first
    expected = F.max_pool2d(convolution(x), 2)
    torch.testing.assert_close(pool(convolution(x)), expected)
    torch.testing.assert_close(first(x), torch.nn.Sequential(*rest)(expected))
    assert [type(block[0]).__name__ for block in (first, second, third)] == ["Conv2d", "Conv2d", "Residual"]
    assert [part.shape[-1] for part in (x, first(x), second(first(x)), encoder.blocks(x))] == [12, 6, 3, 3]


@pytest.mark.parametrize(("name", "shape"), [("cnn", {"repeat": 3}), ("deconvolution", {"stride": 1, "growth": 1, "kernel": 3})])
def test_behind_an_early_pool_a_residual_is_around_the_other_convolutions(name: str, shape: dict[str, Any]) -> None:
    """From 1 channel to 6 and from 6 to 8: the channels that come in do not matter there."""
    x = batch(PICTURE, 2)
    encoder = make(name, PICTURE, channels=[6, 8], pools=1 if name == "deconvolution" else 2, pooled="first", residual=True, **shape).eval()
    first, *_ = encoder.blocks
    *before, residual = first
    began = nn.Sequential(*before)(x)
    assert [type(layer).__name__ for layer in before] == ["Conv2d", "MaxPool2d", "BatchNorm2d", "ReLU"]
    torch.testing.assert_close(first(x), began + residual.block(began))
    assert len(leaves(residual, nn.Conv2d, nn.ConvTranspose2d)) == (1 if name == "deconvolution" else 2)


@pytest.mark.parametrize(("kernel", "growth"), [(1, 1), (3, 1), (2, 2), (3, 2), (4, 2), (5, 2), (3, 3), (4, 3), (4, 4), (9, 4)])
@pytest.mark.parametrize("grid", [1, 2])
def test_a_transposed_convolution_grows_its_map_as_asked(kernel: int, growth: int, grid: int) -> None:
    for ending in ("relu", "linear"):
        encoder = make("deconvolution", PICTURE, channels=[3], stride=2, kernel=kernel, growth=growth, ending=ending, grid=grid)
        made = encoder.blocks(batch(PICTURE, 2))
        side = 1 if ending == "linear" and grid == 1 else 6 * growth
        assert made.shape == (2, 3, side, side)


# ---- network deconvolution


def layer(inputs: int = 3, **options: Any) -> NetworkDeconvolution:
    torch.manual_seed(0)
    return NetworkDeconvolution(inputs, 5, 3, padding=1, **options)


def pictures(channels: int = 3, samples: int = 64) -> torch.Tensor:
    """Noise in which neighbouring pixels and channels have something in common."""
    noise = torch.randn(samples, channels, 12, 12, generator=torch.Generator().manual_seed(1))
    return 2 + noise + 0.5 * noise.roll(1, 1) + 0.7 * noise.roll(1, 3)


def test_the_inverse_root_is_that_of_the_eigenvalues() -> None:
    root = torch.randn(2, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    matrices = root @ root.mT + torch.eye(6)
    values, vectors = torch.linalg.eigh(matrices)
    expected = vectors @ torch.diag_embed(values.rsqrt()) @ vectors.mT
    torch.testing.assert_close(inverse_root(matrices, 20), expected, rtol=1e-9, atol=1e-9)


def test_what_the_kernel_sees_is_centred_and_decorrelated() -> None:
    """Against the published form, which multiplies the patches instead of the kernel."""
    made, x = layer(), pictures()
    with torch.no_grad():
        found = made(x)
        patches = F.unfold(x, 3, padding=1).movedim(1, 2)
        seen = F.unfold(x, 3, padding=1, stride=3).movedim(1, 2).flatten(0, 1)
        root = inverse_root(torch.cov(seen.T, correction=0)[None] + EPSILON * torch.eye(27))[0]
        white = (patches - seen.mean(0)) @ root
        expected = (white @ made.weight.flatten(1).T + made.bias).movedim(2, 1).unflatten(2, (12, 12))
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    # five iterations come near to a root; before it the largest eigenvalue was more than 20 times the mean one
    whitened = torch.cov(((seen - seen.mean(0)) @ root).T, correction=0)
    values = torch.linalg.eigvalsh(torch.cov(seen.T, correction=0))
    assert values[-1] > 5 * values.mean()
    assert torch.linalg.eigvalsh(whitened)[-1] < 1.3 and torch.linalg.eigvalsh(whitened).mean() > 0.8


def test_in_evaluation_the_running_statistics_count_and_samples_are_independent() -> None:
    made, x = layer(momentum=1.0), pictures()
    learnt = made(x).detach()
    assert made.running_mean.mean() == pytest.approx(2.0, abs=0.5) and not torch.equal(made.running_root[0], torch.eye(27))
    kept = {name: value.clone() for name, value in made.state_dict().items()}
    made.eval()
    torch.testing.assert_close(made(x), learnt)
    torch.testing.assert_close(made(x[:1]), learnt[:1], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(kept[name], value) for name, value in made.state_dict().items())


def test_many_channels_are_decorrelated_in_groups_of_at_most_64() -> None:
    found = {inputs: NetworkDeconvolution(inputs, 2, 3).running_mean.shape for inputs in (1, 64, 65, 96, 128)}
    assert found == {1: (1, 9), 64: (1, 576), 65: (5, 117), 96: (2, 432), 128: (2, 576)}
    x = pictures(96, 8)
    one, two = NetworkDeconvolution(96, 2, 3), NetworkDeconvolution(48, 2, 3)
    halves = [two.statistics(x[:, half])[1][0] for half in (slice(48), slice(48, 96))]
    torch.testing.assert_close(one.statistics(x)[1], torch.stack(halves))


def test_it_learns_in_a_network_without_batch_norm() -> None:
    torch.manual_seed(0)
    encoder = make("cnn", Spec("image", (3, 12, 12)), channels=[8, 8], norm="network_deconvolution")
    assert leaves(encoder, nn.BatchNorm2d) == [] and len(leaves(encoder, NetworkDeconvolution)) == 2
    x, aim = pictures(samples=16), torch.arange(16) % 4
    step = torch.optim.Adam(encoder.parameters(), 0.01)
    for _ in range(30):
        step.zero_grad()
        loss = F.cross_entropy(encoder(x)[0].mean(1), aim)
        loss.backward()
        step.step()
    assert loss < 0.3 and all(value.grad is not None for value in encoder.parameters())


def test_several_processes_are_refused() -> None:
    with pytest.raises(UserError, match="NetworkDeconvolution works with the batch of one process; set train.launch.processes to 1"):
        see_whole_batches(nn.Sequential(layer()), 0, 2, lambda x: x, lambda: (0, slice(0), torch.Generator()))
