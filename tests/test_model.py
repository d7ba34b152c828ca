"""A whole model: what is missing has no influence on the answer, whatever the fusion."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from deconfuse.encoders import Spec
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names
from deconfuse.kernel.params import check
from deconfuse.model.build import build
from deconfuse.model.build import check as check_build
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry

SPECS = {
    "image": {"layout": "image", "shape": [1, 12, 12], "vocabulary": 0, "mean": 90.0, "std": 60.0},
    "audio": {"layout": "frames", "shape": [20, 16], "vocabulary": 0, "mean": -4.0, "std": 2.0},
    "text": {"layout": "tokens", "shape": [6], "vocabulary": 9, "mean": None, "std": None},
    "video": {"layout": "video", "shape": [5, 1, 12, 12], "vocabulary": 0, "mean": 90.0, "std": 60.0},
}
ENCODERS = {"audio": "cnn", "image": "cnn", "text": "lstm", "video": "cnn_lstm"}
PRIOR = torch.tensor([0.3, 0.5, 0.2]).log()
every_fusion = pytest.mark.parametrize("fusion", names("fusion"))

Batch = tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def make(encoders: dict[str, str], fusion: str | None, augment: dict[str, Any] | None = None) -> Model:
    torch.manual_seed(0)
    entry = Entry.model_validate({"encoders": encoders, "fusion": fusion, "width": 16, "augment": augment or {}})
    return build(entry, SPECS, PRIOR, "models.tried").eval()


def batch(present: list[list[bool]], seed: int) -> Batch:
    """Random samples; columns of `present` are the modalities, sorted."""
    torch.manual_seed(seed)
    rows = len(present)
    inputs = {
        "image": torch.randint(0, 256, (rows, 1, 12, 12), dtype=torch.uint8),
        "audio": torch.randn(rows, 20, 16),
        "text": torch.randint(0, 9, (rows, 6), dtype=torch.uint8),
        "video": torch.randint(0, 256, (rows, 5, 1, 12, 12), dtype=torch.uint8),
    }
    lengths = {"audio": torch.randint(1, 21, (rows,)), "text": torch.randint(1, 7, (rows,)), "video": torch.randint(1, 6, (rows,))}
    there = torch.tensor(present)
    return inputs, lengths, {name: there[:, column] for column, name in enumerate(sorted(SPECS))}


def every_subset() -> list[list[bool]]:
    return [[bool(row >> bit & 1) for bit in range(4)] for row in range(16)]


@every_fusion
def test_what_is_missing_has_no_influence_to_the_bit(fusion: str) -> None:
    model = make(ENCODERS, fusion)
    inputs, lengths, present = batch(every_subset(), seed=1)
    other, other_lengths, _ = batch(every_subset(), seed=2)
    other["audio"][:] = torch.nan
    for name, there in present.items():
        other[name][there] = inputs[name][there]
        if name in lengths:
            other_lengths[name][there] = lengths[name][there]
    logits, _ = model(inputs, lengths, present)
    assert torch.isfinite(logits).all()
    assert torch.equal(model(other, other_lengths, present)[0], logits)


@every_fusion
def test_tokens_encoded_once_answer_for_every_subset_to_the_bit(fusion: str) -> None:
    model = make(ENCODERS, fusion)
    inputs, lengths, present = batch([[True] * 4] * 6, seed=1)
    tokens, masks, _ = model.encode(inputs, lengths, present)
    for shown in every_subset():
        some = {name: torch.full((6,), there) for name, there in zip(sorted(SPECS), shown, strict=True)}
        logits, out = model.join(tokens, {name: masks[name] & some[name][:, None] for name in masks}, some)
        whole, everything = model(inputs, lengths, some)
        assert torch.equal(logits, whole) and torch.equal(out["fused"], everything["fused"])
        assert set(everything) == {*SPECS, "fusion", "fused"}


def test_a_sample_and_its_mirror_image_get_one_answer_where_they_are_averaged() -> None:
    flips = {"image": [{"name": "flip", "averaged": True}], "video": [{"name": "flip", "averaged": True}]}
    x, lengths, present = batch([[True] * 4] * 3, seed=1)
    mirrored = x | {name: x[name].flip(-1) for name in flips}
    averaged, plain = make(ENCODERS, "late", flips), make(ENCODERS, "late")
    answer, _ = averaged(x, lengths, present)
    assert torch.equal(averaged(mirrored, lengths, present)[0], answer)
    # what joins them and the head are linear
    each = [plain(one, lengths, present)[0] for one in (x, x | {"image": mirrored["image"]}, x | {"video": mirrored["video"]}, mirrored)]
    assert (each[0] - each[3]).abs().max() > 1e-3
    torch.testing.assert_close(answer, torch.stack(each).mean(0), atol=1e-6, rtol=1e-5)
    assert torch.equal(averaged.train()(x, lengths, present)[0], plain.train()(x, lengths, present)[0])


def test_answers_are_averaged_over_all_forms_of_a_sample() -> None:
    x, lengths, present = batch([[True] * 4] * 3, seed=1)
    model = make({"image": "cnn"}, None, {"image": [{"name": "crop", "averaged": True}, {"name": "flip", "averaged": True}]})
    plain, padded = make({"image": "cnn"}, None), F.pad(x["image"].float(), (1, 1, 1, 1), mode="replicate")
    shifted = [padded[:, :, by : by + 12, by : by + 12] for by in (0, 1, 2)]
    each = [plain({"image": form}, {}, {"image": present["image"]})[0] for one in shifted for form in (one, one.flip(-1))]
    torch.testing.assert_close(model(x, lengths, present)[0], torch.stack(each).mean(0), atol=1e-6, rtol=1e-5)


@every_fusion
def test_what_is_present_has_an_influence(fusion: str) -> None:
    model = make(ENCODERS, fusion)
    inputs, lengths, present = batch([[True] * 4] * 8, seed=1)
    other, _, _ = batch([[True] * 4] * 8, seed=2)
    logits, _ = model(inputs, lengths, present)
    for name in SPECS:
        changed, _ = model({**inputs, name: other[name]}, lengths, present)
        assert (changed != logits).any(1).all(), f"{name} is not read"


@every_fusion
def test_where_nothing_is_present_the_classes_shares_in_the_train_split_answer(fusion: str) -> None:
    model = make(ENCODERS, fusion)
    inputs, lengths, present = batch([[False] * 4, [True] * 4], seed=1)
    logits, _ = model(inputs, lengths, present)
    torch.testing.assert_close(logits[0].softmax(0), torch.tensor([0.3, 0.5, 0.2]))
    assert not torch.equal(logits[1], logits[0])


@every_fusion
def test_order_of_names_does_not_matter(fusion: str) -> None:
    first, second = make(ENCODERS, fusion), make(dict(reversed(ENCODERS.items())), fusion)
    parts = batch(every_subset(), seed=1)
    logits, _ = first(*parts)
    turned = [dict(reversed(part.items())) for part in parts]
    assert torch.equal(first(*turned)[0], logits)
    assert torch.equal(second(*parts)[0], logits)
    third = Model(
        encoders={name: first.encoders[name] for name in reversed(first.modalities)},
        fusion=first.fusion,
        outputs=first.head.in_features,
        statistics=first.statistics,
        prior=PRIOR,
        dropout=0.0,
    )
    assert list(third.state_dict()) == list(first.state_dict())


@every_fusion
def test_samples_do_not_see_each_other(fusion: str) -> None:
    model = make(ENCODERS, fusion)
    inputs, lengths, present = batch(every_subset(), seed=1)
    other, other_lengths, other_present = batch(every_subset()[::-1], seed=2)
    for mine, theirs in ((inputs, other), (lengths, other_lengths), (present, other_present)):
        for name in mine:
            theirs[name][5] = mine[name][5]
    assert torch.equal(model(other, other_lengths, other_present)[0][5], model(inputs, lengths, present)[0][5])


@pytest.mark.parametrize("modality", sorted(SPECS))
def test_a_model_of_one_modality_needs_no_fusion(modality: str) -> None:
    model = make({modality: ENCODERS[modality]}, None)
    inputs, lengths, present = batch([[True] * 4, [False] * 4], seed=1)
    logits, _ = model(inputs, lengths, present)
    assert torch.isfinite(logits).all()
    torch.testing.assert_close(logits[1].softmax(0), torch.tensor([0.3, 0.5, 0.2]))
    changed, _ = model({**inputs, modality: batch([[True] * 4] * 2, seed=2)[0][modality]}, lengths, present)
    assert torch.equal(changed[1], logits[1])
    assert not torch.equal(changed[0], logits[0])


@pytest.mark.parametrize(
    ("encoders", "specs", "words"),
    [
        (
            {"text": {"name": "transformer", "heads": 3}},
            {},
            "models.a.encoders.text: encoder `transformer`: 3 heads do not divide the width 16",
        ),
        (
            {"image": {"name": "cnn", "padding": "valid"}},
            {"image": Spec("image", (1, 9, 9))},
            "models.a.encoders.image: .* 9 x 9 is too small",
        ),
    ],
)
def test_what_cannot_be_built_is_named_before_there_is_data(encoders: dict, specs: dict[str, Spec], words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_build(check({"encoders": encoders, "width": 16}, Entry), specs, "models.a")
    with pytest.raises(UserError, match="models.a.fusion: 3 heads"):
        both = {"encoders": {"image": "cnn", "text": "lstm"}, "fusion": {"name": "attention", "heads": 3}, "width": 16}
        check_build(check(both, Entry), {}, "models.a")


def test_an_encoders_input_is_what_it_was_given() -> None:
    model = make(ENCODERS, "concat")
    inputs, lengths, present = batch([[True] * 4] * 3, seed=1)
    _, out = model(inputs, lengths, present)
    for name in SPECS:
        assert torch.equal(out[name]["input"], model.normalised(name, inputs[name]))


def test_values_are_normalised_and_token_ids_are_not() -> None:
    model = make(ENCODERS, "concat")
    assert model.normalised("image", torch.tensor([30, 90, 150], dtype=torch.uint8)).tolist() == [-1.0, 0.0, 1.0]
    assert model.normalised("text", torch.tensor([0, 8], dtype=torch.uint8)).tolist() == [0, 8]
