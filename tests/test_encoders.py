"""Every encoder keeps the contract; every printed design has its own layers and its own number of parameters."""

from copy import deepcopy
from inspect import signature
from itertools import pairwise
from pathlib import Path
from typing import Any

import disk_networks
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from deconfuse.encoders import Encoder, Spec
from deconfuse.encoders._folded import MeanOfTransposed
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, part

torch.set_num_threads(1)

WIDTH = 8
# odd sides and few steps: what is halved must come out right too
SPECS = {
    "image": Spec("image", (3, 17, 14)),
    "video": Spec("video", (5, 2, 12, 10)),
    "frames": Spec("frames", (11, 6)),
    "tokens": Spec("tokens", (9,), vocabulary=13),
}
# a sound as a picture has a fixed window, the silence at its end included
PICTURES = ("cnn", "deconvolution", "ddnet")
CASES = [(name, layout) for name in names("encoders") for layout in part("encoders", name).layouts]
TIMED = [(name, layout) for name, layout in CASES if layout != "image" and (name not in PICTURES or layout != "frames")]


def make(name: str, spec: Spec, width: int = WIDTH, seed: int = 0, **options: Any) -> Encoder:
    if name == "pretrained":
        options = (disk_networks.for_texts() if spec.layout == "tokens" else disk_networks.for_pictures()) | options
    torch.manual_seed(seed)
    return part("encoders", name)(spec, width, **options)


def batch(spec: Spec, samples: int, seed: int = 1) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    if spec.layout == "tokens":
        return torch.randint(2, spec.vocabulary, (samples, *spec.shape), generator=draw)
    return torch.randn(samples, *spec.shape, generator=draw)


def lengths(spec: Spec, samples: int) -> Tensor | None:
    """From 1 to all steps, for layouts with a time axis."""
    return None if spec.layout == "image" else torch.linspace(1, spec.shape[0], samples).long()


def parameters(module: nn.Module) -> int:
    return sum(value.numel() for value in module.parameters())


def leaves(module: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [inner for inner in module.modules() if isinstance(inner, kinds)]


# ---- the contract


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_shapes(name: str, layout: str) -> None:
    spec = SPECS[layout]
    tokens, out = make(name, spec)(batch(spec, 4), lengths(spec, 4))
    assert tokens.dim() == 3 and tokens.shape[0] == 4 and tokens.shape[2] == WIDTH
    assert tokens.dtype == torch.float32
    assert out["mask"].shape == tokens.shape[:2] and out["mask"].dtype == torch.bool
    assert out["mask"].any(1).all(), "a sample without a token"
    if "grid" in out:
        height, width = out["grid"]
        assert height * width == tokens.shape[1]


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_what_says_that_it_reconstructs_does(name: str, layout: str) -> None:
    spec, kind = SPECS[layout], part("encoders", name)
    x = batch(spec, 4)
    _, out = make(name, spec)(x, lengths(spec, 4))
    assert ("reconstruction" in out) == kind.reconstructs
    if kind.reconstructs:
        assert out["reconstruction"].shape == x.shape


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("name", "layout"), [case for case in CASES if case[0] in PICTURES])
def test_tokens_lie_on_the_grid_row_by_row(name: str, layout: str, row: int, column: int) -> None:
    spec = Spec("image", (3, 32, 32)) if layout == "image" else Spec("frames", (32, 32))
    encoder, x = make(name, spec, grid=2).eval(), batch(spec, 1)
    changed = x.clone()
    # one corner's inner part
    changed[..., 4 + 20 * row : 8 + 20 * row, 4 + 20 * column : 8 + 20 * column] += 5
    distance = (encoder(changed)[0] - encoder(x)[0]).abs().sum(-1)[0]
    assert encoder(x)[1]["grid"] == (2, 2)
    assert distance.argmax() == 2 * row + column


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_a_gradient_reaches_every_parameter(name: str, layout: str) -> None:
    spec = SPECS[layout]
    encoder = make(name, spec)
    tokens, _ = encoder(batch(spec, 4), lengths(spec, 4))
    (tokens * batch(Spec("frames", tuple(tokens.shape[1:])), 4)).sum().backward()
    # a bias that a norm takes out again has a gradient of rounding errors; so has, by its nature, the bias of attention's keys
    learns = {key: value.grad for key, value in encoder.named_parameters() if not key.endswith("key.bias")}
    idle = [key for key, gradient in learns.items() if gradient is None or not gradient.abs().sum() > 1e-5]
    assert idle == []


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_samples_of_a_batch_are_independent(name: str, layout: str) -> None:
    spec = SPECS[layout]
    encoder, x, length = make(name, spec).eval(), batch(spec, 4), lengths(spec, 4)
    together, _ = encoder(x, length)
    for row in range(4):
        alone, _ = encoder(x[row : row + 1], None if length is None else length[row : row + 1])
        torch.testing.assert_close(alone[0], together[row], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize(("name", "layout"), TIMED)
def test_what_lies_beyond_the_length_has_no_influence(name: str, layout: str, training: bool) -> None:
    spec = SPECS[layout]
    encoder, x, length = make(name, spec).train(training), batch(spec, 4), lengths(spec, 4)
    before, out = encoder(x, length)
    garbage = x.clone()
    for row, end in enumerate(length.tolist()):
        garbage[row, end:] = 1 if layout == "tokens" else float("nan")
    after, _ = encoder(garbage, length)
    mask = out["mask"][..., None].expand_as(before)
    assert torch.equal(before[mask], after[mask])
    after[mask].sum().backward()
    assert [key for key, value in encoder.named_parameters() if value.grad is not None and not value.grad.isfinite().all()] == []


@pytest.mark.parametrize(("name", "layout"), TIMED)
def test_padding_changes_nothing(name: str, layout: str) -> None:
    spec = SPECS[layout]
    encoder, x, length = make(name, spec).eval(), batch(spec, 4), lengths(spec, 4)
    with torch.no_grad():
        # as if trained: biases that begin at 0 could hide what is wrong
        for value in encoder.parameters():
            value += 0.1 * torch.randn_like(value)
    padded, out = encoder(x, length)
    for row, end in enumerate(length.tolist()):
        cut, cut_out = encoder(x[row : row + 1, :end], torch.tensor([end]))
        torch.testing.assert_close(cut[cut_out["mask"]], padded[row][out["mask"][row]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "layout"), TIMED)
def test_no_length_means_that_all_is_valid(name: str, layout: str) -> None:
    spec = SPECS[layout]
    encoder, x = make(name, spec).eval(), batch(spec, 3)
    torch.testing.assert_close(encoder(x, None)[0], encoder(x, torch.full((3,), spec.shape[0]))[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_it_learns_16_samples_by_heart(name: str, layout: str) -> None:
    spec = SPECS[layout]
    encoder, x, length = make(name, spec), batch(spec, 16), lengths(spec, 16)
    # one or two steps could be the same in two samples
    length = None if length is None else length.clamp(min=4)
    label = torch.randint(0, 4, (16,), generator=torch.Generator().manual_seed(2))
    head = nn.Linear(WIDTH, 4)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], lr=5e-3)
    for _ in range(300):
        tokens, out = encoder(x, length)
        logits = head((tokens * out["mask"][..., None]).sum(1) / out["mask"].sum(1, keepdim=True))
        if (logits.argmax(1) == label).all():
            return
        loss = F.cross_entropy(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pytest.fail(f"loss {loss.item():.2f} after 300 steps")


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_round_trip_through_safetensors(name: str, layout: str, tmp_path: Path) -> None:
    spec = SPECS[layout]
    encoder, x, length = make(name, spec), batch(spec, 4), lengths(spec, 4)
    encoder(x, length)
    save_file(encoder.state_dict(), tmp_path / "weights.safetensors")
    other = make(name, spec, seed=7)
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(encoder.eval()(x, length)[0], other.eval()(x, length)[0])


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_it_takes_the_memory_format_that_models_are_put_in(name: str, layout: str) -> None:
    spec = SPECS[layout]
    encoder, x, length = make(name, spec).eval(), batch(spec, 2), lengths(spec, 2)
    before, _ = encoder(x, length)
    torch.testing.assert_close(encoder.to(memory_format=torch.channels_last)(x, length)[0], before, rtol=1e-4, atol=1e-5)


# ---- the printed designs, layer by layer


def test_the_printed_conv_deconv_network() -> None:
    """Conv(32, 3x3), deconv(32, 4x4, s2), the same with 64 and 128, each with batch norm and ReLU; then FC over 10."""
    cifar = Spec("image", (3, 32, 32))
    pooled = make("deconvolution", cifar, 10, channels=[32, 64, 128], stride=1, grid=1)
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU, nn.Linear)
    turn = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.ConvTranspose2d, nn.BatchNorm2d, nn.ReLU]
    assert [type(layer) for layer in leaves(pooled, *kinds)] == [*turn * 3, nn.Linear]
    shapes = [(c.in_channels, c.out_channels, c.kernel_size, c.stride) for c in leaves(pooled, nn.Conv2d, nn.ConvTranspose2d)]
    assert shapes == [
        layer for inputs, size in ((3, 32), (32, 64), (64, 128)) for layer in ((inputs, size, (3, 3), (1, 1)), (size, size, (4, 4), (2, 2)))
    ]
    with torch.no_grad():
        assert pooled.blocks(torch.zeros(2, 3, 32, 32)).shape == (2, 128, 256, 256)
    assert parameters(pooled) == 439_274


def test_the_printed_conv_deconv_network_flattened() -> None:
    with torch.device("meta"):
        flat = part("encoders", "deconvolution")(Spec("image", (3, 32, 32)), 10, channels=[32, 64, 128], stride=1, grid=None)
    assert flat.tokens.project.in_features == 256 * 256 * 128
    assert parameters(flat) == 84_324_074


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "beyond"),
    [(4, 2, 1, 0), (3, 2, 1, 0), (3, 2, 1, 1), (2, 2, 0, 0), (5, 3, 2, 0), (5, 3, 2, 2), (3, 1, 1, 0)],
)
def test_the_mean_of_a_transposed_convolution_is_the_mean_of_its_map(kernel: int, stride: int, padding: int, beyond: int) -> None:
    torch.manual_seed(0)
    plain = nn.ConvTranspose2d(5, 3, kernel, stride=stride, padding=padding, output_padding=beyond).double()
    folded = MeanOfTransposed(deepcopy(plain))
    x = torch.randn(2, 5, 7, 9, dtype=torch.double)
    seen, answered, aim = [x.clone().requires_grad_() for _ in range(2)], [], torch.randn(2, 3, 1, 1, dtype=torch.double)
    for layer, given in zip((folded, plain), seen, strict=True):
        answer = layer(given).mean((2, 3), keepdim=True)
        (answer * aim).sum().backward()
        answered.append(answer)
    torch.testing.assert_close(*answered, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(*[one.grad for one in seen], rtol=1e-12, atol=1e-14)
    for a, b in zip(folded.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-12, atol=1e-14)


def test_a_linear_ending_under_the_mean_costs_a_fourth() -> None:
    options = {"channels": [32, 64, 128], "stride": 1, "grid": 1}
    cifar, cost = Spec("image", (3, 32, 32)), {}
    for ending in ("relu", "linear"):
        encoder = make("deconvolution", cifar, 10, ending=ending, **options)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            encoder(batch(cifar, 1))
        cost[ending] = counter.get_total_flops()
    assert cost["linear"] < 0.28 * cost["relu"]
    assert parameters(encoder) == 439_146


@pytest.mark.parametrize("grid", [1, 2, None])
def test_a_linear_ending_is_a_bare_transposed_convolution(grid: int | None) -> None:
    spec = SPECS["image"]
    encoder = make("deconvolution", spec, channels=[4, 6], ending="linear", grid=grid).eval()
    x, last = batch(spec, 3), encoder.blocks[-1][-1]
    last = last.layer if grid == 1 else last
    made = F.conv_transpose2d(nn.Sequential(*encoder.blocks[:-1], *encoder.blocks[-1][:-1])(x), last.weight, last.bias, stride=2, padding=1)
    expected = encoder.tokens(made)[0]
    torch.testing.assert_close(encoder(x)[0], expected)


def test_the_printed_cnn() -> None:
    """Conv 32, pool, conv 64, pool, conv 64, FC 64, FC 10 on 28 x 28: convolutions without padding, ReLU after each layer."""
    small = make(
        "cnn", Spec("image", (1, 28, 28)), 64, channels=[32, 64, 64], norm="none", padding="valid", pools=2, grid=None, activation="relu"
    )
    order = [type(layer) for layer in leaves(small, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Linear)]
    assert order == [nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.Conv2d, nn.ReLU, nn.Linear, nn.ReLU]
    assert small.tokens.project.in_features == 3 * 3 * 64
    assert parameters(small) + parameters(nn.Linear(64, 10)) == 93_322
    assert small(torch.randn(4, 1, 28, 28))[0].min() == 0


def test_the_printed_lstm() -> None:
    rows = make("lstm", Spec("frames", (28, 28)), 10, hidden=64, layers=2, bidirectional=False)
    assert parameters(rows) == 57_994
    assert parameters(make("lstm", Spec("frames", (28, 28)), 10, cell="gru", bidirectional=False)) == 3 * (57_994 - 650) // 4 + 650


def test_the_printed_ddnet() -> None:
    """Conv 3-32-64-128 and transposed conv 128-64-32-3, 3x3, stride 2, padding 1."""
    net = make("ddnet", Spec("image", (3, 224, 224)), 10, grid=1)
    shapes = [(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding) for c in leaves(net, nn.Conv2d, nn.ConvTranspose2d)]
    sizes = [3, 32, 64, 128, 64, 32, 3]
    assert shapes == [(a, b, (3, 3), (2, 2), (1, 1)) for a, b in pairwise(sizes)]
    assert parameters(net) == 186_411
    x = torch.randn(1, 3, 224, 224)
    steps = x
    for layer in net.down:
        steps = layer(steps).relu()
    # with output padding 1 the size comes back: 28, 56, 112, 224
    for place, layer in enumerate(net.up):
        steps = F.conv_transpose2d(steps, layer.weight, layer.bias, stride=2, padding=1, output_padding=1)
        steps = steps.relu() if place < 2 else steps
    assert steps.shape == x.shape
    tokens, out = net(x)
    torch.testing.assert_close(out["reconstruction"], steps)
    torch.testing.assert_close(tokens[:, 0], net.tokens.project(steps.mean((2, 3))))


# ---- one by one


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 17, 14), (1, 16, 23)])
def test_a_ddnet_gives_back_the_size_it_took(shape: tuple[int, ...]) -> None:
    net, x = make("ddnet", Spec("image", shape)), torch.randn(2, *shape)
    assert net(x)[1]["reconstruction"].shape == x.shape


def test_a_ddnet_learns_to_reconstruct_without_labels() -> None:
    net, x = make("ddnet", Spec("frames", (12, 10))), batch(Spec("frames", (12, 10)), 4)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        loss = F.mse_loss(net(x)[1]["reconstruction"], x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.9 and losses[-1] < 0.2


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layout", ["tokens", "frames", "video"])
@pytest.mark.parametrize("pool", ["last", "mean"])
def test_a_recurrent_token_is_that_of_the_sequence_cut_by_hand(cell: str, layout: str, pool: str) -> None:
    """The reference runs torch's own layer on each sample without its padding."""
    spec = SPECS[layout]
    encoder, x, length = make("lstm", spec, cell=cell, pool=pool).eval(), batch(spec, 4), torch.tensor([2, 5, 1, 4])
    tokens, _ = encoder(x, length)
    for row, end in enumerate(length.tolist()):
        states, _ = encoder.rnn(encoder.embed(x[row : row + 1, :end]))
        ahead, back = states[0].chunk(2, dim=-1)
        ends = states[0].mean(0) if pool == "mean" else torch.cat([ahead[-1], back[0]])
        torch.testing.assert_close(tokens[row, 0], encoder.project(ends), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", ["last", "mean"])
def test_a_clips_token_is_that_of_its_frames_features_one_after_another(pool: str) -> None:
    spec = SPECS["video"]
    encoder, x, length = make("cnn_lstm", spec, pool=pool).eval(), batch(spec, 4), torch.tensor([2, 5, 1, 4])
    tokens, _ = encoder(x, length)
    for row, end in enumerate(length.tolist()):
        features = encoder.places(encoder.blocks(x[row, :end])).flatten(1)
        states, _ = encoder.rnn(features[None])
        ahead, back = states[0].chunk(2, dim=-1)
        ends = states[0].mean(0) if pool == "mean" else torch.cat([ahead[-1], back[0]])
        torch.testing.assert_close(tokens[row, 0], encoder.project(ends), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pool", ["class", "steps"])
@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_a_transformer_tells_the_order_of_steps(positions: str, pool: str) -> None:
    spec = SPECS["frames"]
    encoder, x = make("transformer", spec, positions=positions, pool=pool).eval(), batch(spec, 2)
    tokens, backwards = encoder(x)[0], encoder(x.flip(1))[0]
    assert tokens.shape[1] == (1 if pool == "class" else spec.shape[0])
    assert (tokens.mean(1) - backwards.mean(1)).abs().max() > 1e-3


def test_sinusoids_have_the_published_values() -> None:
    positions = part("encoders", "transformer")(Spec("frames", (3, 2)), 4).positions
    angles = torch.tensor([[place, place / 100] for place in range(3)], dtype=torch.float32)
    torch.testing.assert_close(positions[:, 0::2], angles.sin())
    torch.testing.assert_close(positions[:, 1::2], angles.cos())


def test_an_attention_layer_is_the_one_of_torch() -> None:
    from deconfuse.attention_layer import Layer

    torch.manual_seed(0)
    ours = Layer(12, heads=3, expansion=2).eval()
    theirs = nn.TransformerEncoderLayer(12, 3, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=True).eval()
    theirs.self_attn.in_proj_weight.data, theirs.self_attn.in_proj_bias.data = (
        ours.query_key_value.weight.data,
        ours.query_key_value.bias.data,
    )
    pairs = [(theirs.self_attn.out_proj, ours.project), (theirs.linear1, ours.feed[0]), (theirs.linear2, ours.feed[2])]
    for target, source in [*pairs, (theirs.norm1, ours.norm_attention), (theirs.norm2, ours.norm_feed)]:
        target.load_state_dict(source.state_dict())
    x, mask = torch.randn(2, 5, 12), torch.tensor([[True] * 5, [True, False, True, True, False]])
    torch.testing.assert_close(ours(x, mask)[mask], theirs(x, src_key_padding_mask=~mask)[mask], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours(x, mask, 2), ours(x, mask)[:, :2], rtol=1e-4, atol=1e-5)


def test_a_clip_is_seen_as_the_convolutions_over_space_and_time_say() -> None:
    """One block against torch's own 3-d convolutions, kernels 1x3x3 and 3x1x1."""
    spec = Spec("video", (5, 2, 7, 6))
    block, x = make("cnn3d", spec, channels=[4]).blocks[0], batch(spec, 3)
    y = F.conv3d(x.transpose(1, 2), block.space.weight[:, :, None], stride=(1, 2, 2), padding=(0, 1, 1))
    norm = [F.group_norm(frame, 1) for frame in y.unbind(2)]
    y = F.conv3d(torch.stack(norm, 2).relu(), block.time.weight[..., None], stride=(2, 1, 1), padding=(1, 0, 0))
    expected = torch.stack([F.group_norm(frame, 1).relu() for frame in y.unbind(2)], 1)
    torch.testing.assert_close(block(x, torch.ones(3, 5, dtype=torch.bool))[0], expected, rtol=1e-4, atol=1e-5)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(UserError, match="5 heads do not divide the width 8"):
        make("transformer", SPECS["frames"], heads=5)


def test_a_picture_that_valid_convolutions_use_up_is_refused() -> None:
    with pytest.raises(UserError, match="9 x 9 is too small"):
        make("cnn", Spec("image", (1, 9, 9)), padding="valid")


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_defaults_fit_whatever_is_known(name: str, layout: str) -> None:
    options = {
        key: value.default for key, value in signature(part("encoders", name)).parameters.items() if value.kind is value.KEYWORD_ONLY
    }
    part("encoders", name).check(None, WIDTH, **options)
    part("encoders", name).check(SPECS[layout], WIDTH, **options)


# ---- pretrained


def test_a_pretrained_network_has_the_weights_on_disk() -> None:
    options = disk_networks.for_pictures()
    encoder, saved = make("pretrained", SPECS["image"]), load_file(options["path"])
    ours = encoder.network.state_dict()
    assert len(ours) > 10
    assert [key for key, value in ours.items() if not torch.equal(value, saved[key])] == []


def test_a_pretrained_network_for_texts_has_the_weights_of_its_folder() -> None:
    folder = disk_networks.for_texts()["network"]
    encoder, saved = make("pretrained", SPECS["tokens"]), load_file(Path(folder) / "model.safetensors")
    ours = encoder.network.state_dict()
    assert len(ours) > 10
    assert [key for key, value in ours.items() if not torch.equal(value, saved[key])] == []


def test_a_grey_picture_is_taken_three_times() -> None:
    x = torch.randn(2, 1, 17, 14)
    grey, coloured = (make("pretrained", Spec("image", (channels, 17, 14))).eval() for channels in (1, 3))
    assert torch.equal(grey(x)[0], coloured(x.expand(-1, 3, -1, -1))[0])


def test_torchvision_networks_lose_their_classifier(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    net = models.shufflenet_v2_x0_5(weights=None)
    torch.save(net.state_dict(), tmp_path / "weights.pth")
    options = {"library": "torchvision", "network": "shufflenet_v2_x0_5", "path": str(tmp_path / "weights.pth"), "size": 32}
    encoder, x = make("pretrained", Spec("image", (3, 32, 32)), **options).eval(), torch.randn(2, 3, 32, 32)
    net.eval().fc = nn.Identity()
    torch.testing.assert_close(encoder(x)[0][:, 0], encoder.project(net(x)))


class Harm:
    """What a file could carry that is no weights: unpacking it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def wrong_files(folder: Path) -> dict[str, Path]:
    torch.save({"fc.weight": Harm(folder / "harm")}, folder / "harm.pth")
    (folder / "broken.safetensors").write_bytes(b"no weights")
    save_file({"other.weight": torch.zeros(2)}, folder / "other.safetensors")
    return {name: folder / name for name in ("harm.pth", "broken.safetensors", "other.safetensors", "missing.pth")}


@pytest.mark.parametrize("wrong", ["harm.pth", "broken.safetensors", "other.safetensors", "missing.pth"])
def test_wrong_weights_are_refused(wrong: str, tmp_path: Path) -> None:
    path = wrong_files(tmp_path)[wrong]
    with pytest.raises(UserError, match=f"`path: .*{wrong}`"):
        make("pretrained", SPECS["image"], path=str(path))
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    ("layout", "options", "words"),
    [
        ("image", {"network": "no_such_network"}, "`network: no_such_network`"),
        ("image", {"library": "torchvision", "network": "no_such_network"}, "`network: no_such_network`"),
        ("image", {"library": "transformers"}, "for pictures choose torchvision or timm"),
        ("tokens", {"library": "timm"}, "a text needs `library: transformers`"),
        ("tokens", {"path": "weights.pth"}, "not `path`"),
        ("tokens", {"network": "no/such/folder"}, "`network: no/such/folder`"),
    ],
)
def test_a_wrong_choice_is_named(layout: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make("pretrained", SPECS[layout], **options)


def test_weights_of_a_deeper_network_are_refused(tmp_path: Path) -> None:
    models = pytest.importorskip("torchvision.models")
    torch.save(models.resnet34(weights=None).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(UserError, match="another network"):
        make("pretrained", SPECS["image"], library="torchvision", network="resnet18", path=str(tmp_path / "weights.pth"), size=32)


def test_a_folder_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    folder = Path(disk_networks.for_texts()["network"])
    weights = load_file(folder / "model.safetensors")
    save_file({key: value for key, value in weights.items() if "attention.output" not in key}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(UserError, match="lacks weights .*attention.output"):
        make("pretrained", SPECS["tokens"], network=str(tmp_path))


def test_token_ids_that_a_network_does_not_know_are_refused() -> None:
    with pytest.raises(UserError, match="embed it as wordpieces"):
        make("pretrained", Spec("tokens", (9,), vocabulary=1000))
    with pytest.raises(UserError, match="lower the embedding's `length`"):
        make("pretrained", Spec("tokens", (1000,), vocabulary=13))
