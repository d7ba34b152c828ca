"""What every fusion keeps to, over every file of the folder; and each one against its paper, written out."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from einops import einsum
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_model, save_model
from torch import Tensor, nn
from torch.nn import functional as F

from deconfuse.fusion import Fusion, pooled
from deconfuse.kernel.lookup import names, part

WIDTH = 16
# in no sorted order, and one modality of a single token, as recurrent encoders give
LENGTHS = {"text": 1, "audio": 5, "video": 3, "image": 4}
FUSIONS = names("fusion")
every_fusion = pytest.mark.parametrize("name", FUSIONS)

Tokens = dict[str, Tensor]
Masks = dict[str, Tensor]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(name: str, modalities: tuple[str, ...] = tuple(LENGTHS), seed: int = 0, **options: Any) -> Any:
    """A fusion with weights of its own seed; of no closer type, since tests look into each one's layers."""
    torch.manual_seed(seed)
    return part("fusion", name)(modalities, WIDTH, **options).eval()


def modalities_of(count: int) -> tuple[str, ...]:
    return tuple(LENGTHS)[:count]


def batch(present: list[list[bool]], seed: int = 0, lengths: dict[str, int] = LENGTHS) -> tuple[Tokens, Masks]:
    """Random tokens and masks of samples whose k-th modality is there where `present` says; of a longer one only some tokens are."""
    generator = torch.Generator().manual_seed(seed)
    tokens, masks = {}, {}
    for name, there in zip(lengths, zip(*present, strict=True), strict=False):
        tokens[name] = torch.randn(len(there), lengths[name], WIDTH, generator=generator)
        some = torch.rand(len(there), lengths[name], generator=generator) < 0.6
        some[:, 0] = True
        masks[name] = some & torch.tensor(there)[:, None]
    return tokens, masks


def full(samples: int, count: int = 4, seed: int = 0) -> tuple[Tokens, Masks]:
    """Everything present, every token there."""
    tokens, masks = batch([[True] * count] * samples, seed)
    return tokens, {name: torch.ones_like(mask) for name, mask in masks.items()}


def refilled(tokens: Tokens, masks: Masks, fill: Callable[[Tensor], Tensor]) -> Tokens:
    """The same tokens, with other values where nothing is there."""
    return {name: torch.where(masks[name][..., None], x, fill(x)) for name, x in tokens.items()}


def leaves(value: Any) -> list[Tensor]:
    """All tensors of a result, in the order of their names."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        return [leaf for key in sorted(value) for leaf in leaves(value[key])]
    return [leaf for item in value for leaf in leaves(item)]


def same(left: object, right: object) -> bool:
    """Equal to the bit, all intermediates included."""
    pairs = list(zip(leaves(left), leaves(right), strict=True))
    return len(pairs) > 0 and all(torch.equal(a, b) for a, b in pairs)


FILLS = {
    "zero": torch.zeros_like,
    "other": lambda x: 7 * torch.randn_like(x),
    "huge": lambda x: torch.full_like(x, 3e38),
    "infinite": lambda x: torch.full_like(x, -torch.inf),
    "nan": lambda x: torch.full_like(x, torch.nan),
}


@cache
def fixed(name: str, count: int) -> Fusion:
    return make(name, modalities_of(count))


presences = st.integers(2, 4).flatmap(
    lambda count: st.lists(st.lists(st.booleans(), min_size=count, max_size=count), min_size=1, max_size=5)
)


@every_fusion
@settings(deadline=None, max_examples=25, derandomize=True)
@given(present=presences, seed=st.integers(0, 2**32), fill=st.sampled_from(sorted(FILLS)))
def test_what_is_missing_has_no_influence_to_the_bit(name: str, present: list[list[bool]], seed: int, fill: str) -> None:
    fusion = fixed(name, len(present[0]))
    tokens, masks = batch(present, seed)
    result = fusion(tokens, masks)
    assert result[0].shape == (len(present), fusion.out_dim)
    assert all(torch.isfinite(leaf).all() for leaf in leaves(result))
    assert same(fusion(refilled(tokens, masks, FILLS[fill]), masks), result)


@every_fusion
@pytest.mark.parametrize("present", [[True, False, True, False], [False, True, True, True], [False, False, False, True], [False] * 4])
def test_no_gradient_passes_through_what_is_missing(name: str, present: list[bool]) -> None:
    fusion = make(name)
    tokens, masks = batch([present, [True] * 4])
    tokens = {key: x.requires_grad_() for key, x in refilled(tokens, masks, FILLS["nan"]).items()}
    fusion(tokens, masks)[0].square().sum().backward()
    for key, x in tokens.items():
        assert x.grad is not None
        assert torch.equal(x.grad[~masks[key]], torch.zeros_like(x.grad[~masks[key]]))
        assert (x.grad[masks[key]] != 0).any(-1).all(), f"a token of {key} has no influence"
    assert all(torch.isfinite(value.grad).all() for value in fusion.parameters() if value.grad is not None)


@every_fusion
@pytest.mark.parametrize("count", [2, 3, 4])
def test_every_parameter_has_a_gradient(name: str, count: int) -> None:
    fusion = make(name, modalities_of(count))
    # of two tokens or more: attention to a single one does not depend on its query
    tokens, _ = batch([[True] * count] * 8, lengths={key: length + 1 for key, length in LENGTHS.items()})
    masks = {key: torch.ones(x.shape[:2], dtype=torch.bool) for key, x in tokens.items()}
    # and late fusion has no parameter to begin a graph
    fused, _ = fusion({key: x.requires_grad_() for key, x in tokens.items()}, masks)
    (fused * torch.randn_like(fused)).sum().backward()
    idle = [key for key, value in fusion.named_parameters() if value.grad is None or not value.grad.any()]
    assert not idle


@every_fusion
def test_samples_do_not_see_each_other(name: str) -> None:
    fusion = make(name)
    present = [[True, True, False, True], [True] * 4, [False, True, False, False]]
    tokens, masks = batch(present)
    other_tokens, other_masks = batch([[True] * 4, [False, False, True, False], [True] * 4], seed=1)
    for key in tokens:
        other_tokens[key][0], other_masks[key][0] = tokens[key][0], masks[key][0]
    fused, _ = fusion(tokens, masks)
    assert torch.equal(fusion(other_tokens, other_masks)[0][0], fused[0])
    alone, _ = fusion({key: x[:1] for key, x in tokens.items()}, {key: x[:1] for key, x in masks.items()})
    torch.testing.assert_close(alone, fused[:1])


@every_fusion
def test_order_of_names_does_not_matter(name: str) -> None:
    tokens, masks = batch([[True, False, True, True], [True] * 4])
    turned = {key: tokens[key] for key in reversed(tokens)}, {key: masks[key] for key in sorted(masks)}
    result = make(name)(tokens, masks)
    assert same(make(name)(*turned), result)
    assert same(make(name, tuple(reversed(LENGTHS)))(tokens, masks), result)


@every_fusion
def test_learns_sixteen_samples_by_heart(name: str) -> None:
    present = [[bool(row >> bit & 1) for bit in range(4)] for row in range(1, 16)] + [[True] * 4]
    tokens, masks = batch(present)
    label = torch.arange(16) % 4
    fusion = make(name).train()
    head = nn.Linear(fusion.out_dim, 4)
    optimizer = torch.optim.Adam([*fusion.parameters(), *head.parameters()], lr=5e-3)
    for _ in range(150):
        loss = F.cross_entropy(head(fusion(tokens, masks)[0]), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.1
    assert torch.equal(head(fusion(tokens, masks)[0]).argmax(1), label)


@every_fusion
def test_weights_survive_a_file(name: str, tmp_path: Path) -> None:
    tokens, masks = batch([[True, False, True, True], [True] * 4])
    first, second = make(name, seed=1), make(name, seed=2)
    save_model(first, str(tmp_path / "weights.safetensors"))
    missing, unexpected = load_model(second, tmp_path / "weights.safetensors")
    assert not missing
    assert not unexpected
    assert same(first(tokens, masks), second(tokens, masks))


@every_fusion
def test_a_single_modality_is_enough_to_build_one(name: str) -> None:
    tokens, masks = full(3, count=1)
    fusion = make(name, modalities_of(1))
    assert fusion(tokens, masks)[0].shape == (3, fusion.out_dim)


@pytest.mark.parametrize("name", ["attention", "bottleneck", "cross_attention"])
def test_heads_must_divide_the_width(name: str) -> None:
    with pytest.raises(ValueError, match="5 heads do not divide the width 16"):
        make(name, heads=5)


@every_fusion
def test_attention_is_never_asked_about_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # what comes out where a mask is all False is not documented, and was NaN in some releases and kernels
    real = F.scaled_dot_product_attention

    def watched(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor) -> Tensor:
        assert attn_mask.any(-1).all()
        return real(query, key, value, attn_mask=attn_mask)

    monkeypatch.setattr(F, "scaled_dot_product_attention", watched)
    make(name)(*batch([[True, False, False, True], [False] * 4]))


def test_pooled_is_the_mean_of_what_is_there() -> None:
    tokens = torch.tensor([[[1.0], [3.0], [torch.nan]], [[torch.nan], [5.0], [7.0]], [[torch.nan]] * 3])
    mask = torch.tensor([[True, True, False], [False, True, False], [False] * 3])
    assert pooled(tokens, mask).tolist() == [[2.0], [5.0], [0.0]]


def test_concat_is_a_hidden_layer_over_the_means_side_by_side() -> None:
    fusion = make("concat", ("a", "b"), hidden=3)
    tokens = {"b": torch.randn(2, 1, WIDTH), "a": torch.randn(2, 1, WIDTH)}
    masks = {"b": torch.tensor([[True], [False]]), "a": torch.tensor([[True], [True]])}
    a, b = tokens["a"][:, 0], tokens["b"][:, 0] * torch.tensor([[1.0], [0.0]])
    linear = fusion.mix[0]
    expected = (a @ linear.weight[:, :WIDTH].T + b @ linear.weight[:, WIDTH:].T + linear.bias).clamp(min=0)
    torch.testing.assert_close(fusion(tokens, masks)[0], expected)


def test_late_under_a_linear_head_is_the_mean_of_each_modalitys_logits() -> None:
    fusion = make("late")
    own = {key: nn.Linear(WIDTH, 3) for key in sorted(LENGTHS)}
    head = nn.Linear(fusion.out_dim, 3, bias=False)
    head.weight.data = torch.cat([torch.cat([own[key].weight, own[key].bias[:, None]], 1) for key in own], 1).detach()
    present = [[True] * 4, [True, False, True, False], [False, False, False, True]]
    tokens, masks = batch(present)
    fused, out = fusion(tokens, masks)
    for row in range(3):
        there = [key for key in own if masks[key][row].any()]
        votes = [own[key](tokens[key][row][masks[key][row]].mean(0)) for key in there]
        torch.testing.assert_close(head(fused[row]), torch.stack(votes).mean(0))
        assert [key for key in own if out["weights"][key][row] == 1 / len(there)] == there
    torch.testing.assert_close(torch.stack(list(out["weights"].values())).sum(0), torch.ones(3))


def test_gated_of_two_is_z_and_one_minus_z() -> None:
    fusion = make("gated", ("a", "b"), hidden=5)
    tokens = {"a": torch.randn(3, 1, WIDTH), "b": torch.randn(3, 1, WIDTH)}
    masks = {"a": torch.tensor([[True], [True], [False]]), "b": torch.tensor([[True], [False], [False]])}
    fused, out = fusion(tokens, masks)
    a, b = (fusion.features[key](tokens[key][:, 0]).tanh() for key in "ab")
    score_a, score_b = fusion.scores(torch.cat([tokens["a"][:, 0], tokens["b"][:, 0]], 1)).chunk(2, 1)
    z = (score_a - score_b).sigmoid()
    torch.testing.assert_close(fused[0], (z * a + (1 - z) * b)[0])
    torch.testing.assert_close(out["gates"]["a"][0], z[0])
    assert torch.equal(fused[1], a[1])
    assert not out["gates"]["b"][1].any()
    assert not any(gates[2].any() for gates in out["gates"].values())


def test_gated_by_sigmoids_leaves_each_gate_alone() -> None:
    fusion = make("gated", ("a", "b", "c"), hidden=5, gate="sigmoid")
    tokens = {key: torch.randn(1, 1, WIDTH) for key in "abc"}
    masks = {key: torch.tensor([[key != "b"]]) for key in "abc"}
    a, c = (fusion.features[key](tokens[key][:, 0]).tanh() for key in "ac")
    seen = torch.cat([tokens["a"][:, 0], torch.zeros(1, WIDTH), tokens["c"][:, 0]], 1)
    gate_a, _, gate_c = fusion.scores(seen).sigmoid().chunk(3, 1)
    torch.testing.assert_close(fusion(tokens, masks)[0], gate_a * a + gate_c * c)


def test_low_rank_is_a_linear_map_of_the_tensor_product() -> None:
    rank, hidden = 3, 5
    fusion = make("low_rank", ("a", "b", "c"), rank=rank, hidden=hidden)
    nn.init.normal_(fusion.factors["b"].bias)
    tokens = {key: torch.randn(2, 1, WIDTH) for key in "abc"}
    masks = {"a": torch.tensor([[True], [True]]), "b": torch.tensor([[True], [False]]), "c": torch.tensor([[True], [True]])}
    # [e; 1], and [0; 1] of what is missing
    ends = {key: torch.cat([tokens[key][:, 0] * masks[key], torch.ones(2, 1)], 1) for key in "abc"}
    outer = einsum(ends["a"], ends["b"], ends["c"], "n i, n j, n k -> n i j k")
    factor = {
        key: torch.cat([fusion.factors[key].weight, fusion.factors[key].bias[:, None]], 1).unflatten(0, (rank, hidden)) for key in "abc"
    }
    weight = einsum(factor["a"], factor["b"], factor["c"], "r h i, r h j, r h k -> h i j k") / rank
    torch.testing.assert_close(fusion(tokens, masks)[0], einsum(outer, weight, "n i j k, h i j k -> n h"), atol=1e-5, rtol=1e-4)


def test_low_rank_starts_with_a_missing_modality_changing_nothing() -> None:
    three, two = make("low_rank", ("a", "b", "c")), make("low_rank", ("a", "b"))
    two.load_state_dict({key: value for key, value in three.state_dict().items() if ".c." not in key})
    tokens = {key: torch.randn(2, 2, WIDTH) for key in "abc"}
    masks = {key: torch.full((2, 2), key != "c") for key in "abc"}
    assert torch.equal(three(tokens, masks)[0], two(tokens, masks)[0])


def reference_layer(layer: Any, heads: int) -> nn.TransformerEncoderLayer:
    """PyTorch's own layer with the weights of ours."""
    hidden = layer.feed[0].out_features
    reference = nn.TransformerEncoderLayer(WIDTH, heads, hidden, dropout=0, activation="gelu", batch_first=True, norm_first=True).eval()
    pairs = [
        (reference.norm1, layer.norm_attention),
        (reference.norm2, layer.norm_feed),
        (reference.self_attn.out_proj, layer.project),
        (reference.linear1, layer.feed[0]),
        (reference.linear2, layer.feed[2]),
    ]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    reference.self_attn.in_proj_weight.data = layer.query_key_value.weight.data
    reference.self_attn.in_proj_bias.data = layer.query_key_value.bias.data
    return reference


def test_attention_is_pytorchs_encoder_over_the_tokens_that_are_there() -> None:
    fusion = make("attention", heads=2, layers=2)
    tokens, masks = batch([[True] * 4, [True, False, True, False], [False, False, True, False]])
    fused, _ = fusion(tokens, masks)
    for row in range(3):
        there = [tokens[key][row][masks[key][row]] + fusion.kind[key] for key in sorted(LENGTHS)]
        x = torch.cat([fusion.class_token[None], *there])[None]
        for layer in fusion.layers:
            x = reference_layer(layer, 2)(x)
        torch.testing.assert_close(fused[row], fusion.norm(x[0, 0]), atol=1e-5, rtol=1e-4)


def crossed(layer: Any, x: Tensor, source: Tensor) -> Tensor:
    """A crossing layer by `torch.nn.functional`, for one sample whose tokens are all there."""
    keys, values = layer.key_value.weight.chunk(2)
    key_bias, value_bias = layer.key_value.bias.chunk(2)
    queries, sources = layer.norm_target(x)[:, None], layer.norm_source(source)[:, None]
    mixed, _ = F.multi_head_attention_forward(
        queries,
        sources,
        sources,
        WIDTH,
        layer.heads,
        None,
        torch.cat([layer.query.bias, key_bias, value_bias]),
        None,
        None,
        False,
        0.0,
        layer.project.weight,
        layer.project.bias,
        use_separate_proj_weight=True,
        q_proj_weight=layer.query.weight,
        k_proj_weight=keys,
        v_proj_weight=values,
    )
    x = x + mixed[:, 0]
    return x + layer.feed(layer.norm_feed(x))


def test_cross_attention_reads_each_ordered_pair_of_what_is_there() -> None:
    fusion = make("cross_attention", heads=2, layers=2)
    tokens, masks = batch([[True] * 4, [True, False, True, False], [False, False, True, False]])
    fused, _ = fusion(tokens, masks)
    for row in range(3):
        there = {key: tokens[key][row][masks[key][row]] for key in sorted(LENGTHS) if masks[key][row].any()}
        expected = {key: torch.zeros(WIDTH) for key in sorted(LENGTHS)}
        for key, own in there.items():
            target, readings = fusion.targets[key], []
            for source in there.keys() - {key}:
                x = own
                for layer in target.pairs[source]:
                    x = crossed(layer, x, there[source])
                readings.append(x)
            joined = torch.stack(readings).mean(0) if readings else own
            expected[key] = target.norm(reference_layer(target.join, 2)(joined[None])[0]).mean(0)
        torch.testing.assert_close(fused[row], torch.cat(list(expected.values())), atol=1e-5, rtol=1e-4)


def test_bottleneck_is_the_only_way_between_what_is_there() -> None:
    fusion = make("bottleneck", heads=2, layers=3, bottlenecks=2)
    tokens, masks = batch([[True] * 4, [True, False, True, False], [False, False, True, False]])
    fused, out = fusion(tokens, masks)
    for row in range(3):
        there = [key for key in sorted(LENGTHS) if masks[key][row].any()]
        own = {key: torch.cat([fusion.class_tokens[key][None], tokens[key][row][masks[key][row]]]) for key in there}
        shared = fusion.bottleneck
        for layer in fusion.layers:
            x = {key: reference_layer(layer.of[key], 2)(torch.cat([own[key], shared])[None])[0] for key in there}
            own = {key: value[:-2] for key, value in x.items()}
            shared = torch.stack([value[-2:] for value in x.values()]).mean(0)
        classes = {key: fusion.norm(own[key][0]) for key in there}
        torch.testing.assert_close(fused[row], torch.stack(list(classes.values())).mean(0), atol=1e-5, rtol=1e-4)
        for key in there:
            torch.testing.assert_close(out["classes"][key][row], classes[key], atol=1e-5, rtol=1e-4)


def test_deconvolution_draws_what_is_there_and_leaves_the_rest_blank() -> None:
    fusion = make("deconvolution", channels=3, doublings=2, hidden=6, pool=3)
    tokens, masks = batch([[True, False, True, True], [True] * 4])
    fused, out = fusion(tokens, masks)
    assert fused.shape == (2, 6 * 3 * 3)
    assert {key: canvas.shape for key, canvas in out["canvases"].items()} == dict.fromkeys(LENGTHS, (2, 3, 8, 8))
    blank = {(key, row) for key, canvas in out["canvases"].items() for row in range(2) if not canvas[row].any()}
    assert blank == {("audio", 0)}


# ---- what share each modality gets


WEIGHING = ("attention", "bottleneck", "gated")


@every_fusion
def test_shares_are_of_what_is_there_and_in_all_one(name: str) -> None:
    tokens, masks = batch([[True] * 4, [True, False, True, False], [False, False, False, True], [False] * 4])
    fusion = make(name, layers=3) if name in ("attention", "bottleneck") else make(name)
    shares = fusion.shares(tokens, masks)
    assert (shares is not None) == (name in WEIGHING)
    if shares is not None:
        found = torch.stack([shares[key] for key in LENGTHS], 1)
        assert torch.equal(found > 0, torch.stack([masks[key].any(1) for key in LENGTHS], 1))
        torch.testing.assert_close(found.sum(1), torch.tensor([1.0, 1.0, 1.0, 0.0]))
        assert same(fusion.shares(refilled(tokens, masks, FILLS["nan"]), masks), shares)


@torch.no_grad()
def mixing(layer: Any, x: Tensor, heads: int) -> Tensor:
    """By PyTorch's own attention the mean over heads of what share each token of one sample takes of each, and half of it kept."""
    theirs = reference_layer(layer, heads)
    normed = layer.norm_attention(x)[None]
    weights = theirs.self_attn(normed, normed, normed, need_weights=True)[1][0]
    return (weights + torch.eye(len(x))) / 2


def test_shares_of_attention_are_those_of_the_class_token_by_rollout() -> None:
    fusion = make("attention", heads=2, layers=2)
    for layer in fusion.layers:
        # sharper, so that attention is far from even
        layer.query_key_value.weight.data *= 5
    tokens, masks = batch([[True] * 4, [True, False, True, True]])
    shares = fusion.shares(tokens, masks)
    for row in range(2):
        parts = {key: tokens[key][row][masks[key][row]] + fusion.kind[key] for key in sorted(LENGTHS)}
        x, flow = torch.cat([fusion.class_token[None], *parts.values()]), None
        for layer in fusion.layers:
            step = mixing(layer, x, 2)
            flow = step if flow is None else step @ flow
            x = reference_layer(layer, 2)(x[None])[0]
        places = torch.tensor([-1] + [number for number, part in enumerate(parts.values()) for _ in part])
        expected = torch.stack([flow[0][places == number].sum() for number in range(4)])
        found = torch.stack([shares[key][row] for key in parts])
        torch.testing.assert_close(found, expected / expected.sum(), atol=1e-5, rtol=1e-4)
        assert found.max() > 2 * found[found > 0].min()


def test_shares_of_bottleneck_flow_through_it() -> None:
    """All tokens of a sample in one matrix, the bottleneck among them once."""
    fusion = make("bottleneck", ("a", "b"), heads=2, layers=3, bottlenecks=2)
    tokens = {"a": torch.randn(1, 3, WIDTH), "b": torch.randn(1, 2, WIDTH)}
    masks = {key: torch.ones(x.shape[:2], dtype=torch.bool) for key, x in tokens.items()}
    own = {key: torch.cat([fusion.class_tokens[key][None], tokens[key][0]]) for key in "ab"}
    # class a, three of a, class b, two of b, two shared
    places = {"a": [0, 1, 2, 3, 7, 8], "b": [4, 5, 6, 7, 8]}
    shared, flow = fusion.bottleneck, torch.eye(9)
    for layer in fusion.layers:
        step, made = torch.zeros(9, 9), {}
        for key in "ab":
            x = torch.cat([own[key], shared])
            at = torch.tensor(places[key])
            rows = torch.ones(len(at), 1)
            rows[-2:] = 0.5
            step[at[:, None], at] += rows * mixing(layer.of[key], x, 2)
            made[key] = reference_layer(layer.of[key], 2)(x[None])[0]
        flow = step @ flow
        own, shared = {key: x[:-2] for key, x in made.items()}, (made["a"][-2:] + made["b"][-2:]) / 2
    classes = (flow[0] + flow[4]) / 2
    expected = torch.stack([classes[1:4].sum(), classes[5:7].sum()])
    shares = fusion.shares(tokens, masks)
    torch.testing.assert_close(torch.cat([shares["a"], shares["b"]]), expected / expected.sum(), atol=1e-5, rtol=1e-4)


def test_shares_of_gates_are_their_means() -> None:
    fusion = make("gated", ("a", "b"), hidden=5)
    tokens, masks = full(3, count=2)
    tokens, masks = ({"a": one["text"], "b": one["audio"]} for one in (tokens, masks))
    torch.testing.assert_close(fusion.shares(tokens, masks)["a"], fusion(tokens, masks)[1]["gates"]["a"].mean(1))
