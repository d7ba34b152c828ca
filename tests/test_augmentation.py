"""Every augmentation keeps the contract and has a known answer; so has mixup."""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from deconfuse.augmentation import Augmentation
from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, part
from deconfuse.kernel.params import check
from deconfuse.params.models import Model as Entry
from deconfuse.regularisation.augmenting import Augment
from deconfuse.regularisation.mixup import drawn_share, mixed, mixup, on_cpu

torch.set_num_threads(1)

SHAPES = {"image": (3, 17, 14), "video": (5, 2, 12, 10), "frames": (40, 30), "tokens": (30,)}
DTYPES = {"image": torch.uint8, "video": torch.uint8, "frames": torch.float32, "tokens": torch.int32}
CASES = [(name, layout) for name in names("augmentation") for layout in part("augmentation", name).layouts]
FILL = 1.0


@dataclass(frozen=True)
class Batch:
    inputs: dict[str, Tensor]
    lengths: dict[str, Tensor]
    present: dict[str, Tensor]
    label: Tensor


def make(name: str, fill: float = FILL, **options: Any) -> Augmentation:
    return part("augmentation", name)(fill, **options)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some(layout: str, samples: int = 64) -> Tensor:
    return torch.randint(2, 200, (samples, *SHAPES[layout]), generator=seeded(9)).to(DTYPES[layout])


def lengths(layout: str, samples: int = 64) -> Tensor | None:
    return None if layout == "image" else torch.linspace(1, SHAPES[layout][0], samples).long()


# ---- the contract


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_shape_and_type_stay_and_the_batch_itself_too(name: str, layout: str) -> None:
    x = some(layout)
    before = x.clone()
    y = make(name)(x, lengths(layout), seeded())
    assert y.shape == x.shape and y.dtype == x.dtype
    assert torch.equal(x, before)
    assert not torch.equal(y, x)


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_all_draws_come_from_the_generator(name: str, layout: str) -> None:
    x, ends, augmentation = some(layout), lengths(layout), make(name)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    first = augmentation(x, ends, seeded(3))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(7)
    assert torch.equal(augmentation(x, ends, seeded(3)), first)
    assert not torch.equal(augmentation(x, ends, seeded(4)), first)


@pytest.mark.parametrize(("name", "layout"), CASES)
def test_samples_are_changed_each_in_its_own_way(name: str, layout: str) -> None:
    x = some(layout, 1).expand(64, *[-1] * len(SHAPES[layout]))
    assert len({row.numpy().tobytes() for row in make(name)(x, None, seeded())}) > 1


@pytest.mark.parametrize(("name", "layout"), [(name, layout) for name, layout in CASES if layout in ("frames", "tokens")])
def test_beyond_the_end_nothing_changes_by_time(name: str, layout: str) -> None:
    x, ends = some(layout), lengths(layout)
    only_time = {"frequency_masks": 0} if name == "spec_augment" else {}
    y = make(name, **only_time)(x, ends, seeded())
    beyond = torch.arange(x.shape[1]) >= ends[:, None]
    assert torch.equal(y[beyond], x[beyond])


@pytest.mark.parametrize("layout", ["image", "video"])
@pytest.mark.parametrize("name", ["crop", "cutout", "flip"])
def test_all_frames_and_channels_change_alike(name: str, layout: str) -> None:
    *outer, height, width = SHAPES[layout]
    x = torch.rand(8, *[1] * len(outer), height, width).expand(8, *outer, height, width)
    y = make(name)(x, None, seeded()).reshape(8, -1, height, width)
    assert torch.equal(y, y[:, :1].expand_as(y))


# ---- known answers


def test_a_crop_shifts_and_repeats_the_border() -> None:
    x = torch.arange(16, dtype=torch.float32).view(1, 1, 4, 4).expand(400, 1, 4, 4)
    padded = torch.nn.functional.pad(x[:1], (1, 1, 1, 1), mode="replicate")[0, 0]
    windows = [padded[row : row + 4, column : column + 4] for row in range(3) for column in range(3)]
    y = make("crop", shift=1)(x, None, seeded())
    times = [sum(torch.equal(one[0], window) for one in y) for window in windows]
    assert sum(times) == 400, "not a window of the padded picture"
    # 400 / 9 = 44.4 of each; five standard deviations of 6.3
    assert all(13 <= count <= 76 for count in times), times


def test_a_flip_mirrors_left_and_right() -> None:
    x = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]])
    assert make("flip", probability=1.0)(x, None, seeded()).tolist() == [[[[3, 2, 1], [6, 5, 4]]]]
    assert torch.equal(make("flip", probability=0.0)(x, None, seeded()), x)
    many = torch.arange(3.0).expand(1000, 1, 1, 3)
    # half of 1000, within five standard deviations of 16
    assert 420 <= (make("flip")(many, None, seeded())[:, 0, 0, 0] == 2).sum() <= 580


def test_a_cutout_covers_one_rectangle_with_the_mean() -> None:
    x = torch.zeros(500, 1, 8, 12, dtype=torch.uint8)
    holes = make("cutout", fill=90.6, size=0.5)(x, None, seeded())[:, 0]
    assert set(holes.unique().tolist()) == {0, 91}
    rows, columns = (holes > 0).any(2), (holes > 0).any(1)
    assert torch.equal(holes > 0, rows[:, :, None] & columns[:, None, :])
    # 4 x 6, less where the border cuts it; the centre is always inside
    assert rows.sum(1).max() == 4 and columns.sum(1).max() == 6
    assert rows.sum(1).min() == 2 and columns.sum(1).min() == 3
    assert (holes > 0).any(0).all(), "some pixel is never covered"


def test_spec_augment_covers_stretches_of_the_drawn_widths() -> None:
    x, ends = torch.zeros(2000, 40, 20), torch.full((2000,), 30)
    y = make("spec_augment", fill=5.0, time_masks=1, time=0.1, frequency_masks=0)(x, ends, seeded())
    assert set(y.unique().tolist()) == {0.0, 5.0}
    covered = (y == 5).all(2)
    assert torch.equal(covered, (y == 5).any(2)), "a stretch of time covers all bands"
    # 0 to floor(0.1 * 30) steps, each as often, within five standard deviations of 19.4
    widths = torch.bincount(covered.sum(1), minlength=4)
    assert len(widths) == 4 and ((widths - 500).abs() < 97).all(), widths
    assert ((covered[:, 1:] & ~covered[:, :-1]).sum(1) + covered[:, 0] <= 1).all(), "one stretch"
    assert covered[:, :30].any(0).all() and not covered[:, 30:].any()


def test_spec_augment_covers_bands_at_all_times() -> None:
    x = torch.zeros(500, 12, 20)
    y = make("spec_augment", fill=5.0, time_masks=0, frequency_masks=2, frequency=0.25)(x, None, seeded())
    covered = (y == 5).all(1)
    assert torch.equal(covered, (y == 5).any(1))
    assert covered.sum(1).max() == 10 and covered.any(0).all()


def test_spec_augment_without_masks_changes_nothing() -> None:
    x = some("frames")
    assert torch.equal(make("spec_augment", time_masks=0, frequency_masks=0)(x, None, seeded()), x)


def test_word_dropout_makes_words_unknown() -> None:
    x, ends = torch.full((200, 50), 7, dtype=torch.int32), torch.full((200,), 40)
    x[:, 40:] = 0
    y = make("word_dropout", probability=0.2)(x, ends, seeded())
    assert set(y[:, :40].unique().tolist()) == {1, 7} and (y[:, 40:] == 0).all()
    # 1600 of 8000, within five standard deviations of 36
    assert 1420 <= (y == 1).sum() <= 1780


# ---- mixup


def pairs(samples: int = 6) -> Batch:
    """A picture that is 10 times its label, a sound and a text; sample 0 lacks the picture."""
    label = torch.arange(samples)
    there = torch.ones(samples, dtype=torch.bool)
    return Batch(
        inputs={
            "image": (10 * label).to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 2, 2),
            "audio": label.float().view(-1, 1, 1).expand(-1, 5, 3),
            "text": label.int().view(-1, 1).expand(-1, 4),
        },
        lengths={"audio": torch.arange(samples).clamp(1, 5), "text": torch.arange(samples).clamp(1, 4)},
        present={"image": torch.arange(samples) > 0, "audio": there, "text": there},
        label=label,
    )


def shares(label: Tensor) -> Tensor:
    return F.one_hot(label, 6).float()


class OfAGpu(torch.Generator):
    """Known of a GPU's generator without asking it: where it is, and what it began with."""

    device = torch.device("cuda")


def test_a_share_is_known_without_a_look_at_a_gpu() -> None:
    """A number that a GPU drew would have to be waited for; it follows the seed, which may be any that a generator takes."""
    own = seeded(3)
    assert on_cpu(own) is own
    first, again, other, last = (drawn_share(0.4, on_cpu(OfAGpu().manual_seed(seed))) for seed in (3, 3, 4, 2**64 - 1))
    assert first == again != other and 0.5 <= last <= 1


def test_mixed_samples_have_mixed_labels() -> None:
    batch = pairs()
    values = torch.arange(6.0)
    for seed in range(20):
        y = mixup(batch, 1.0, shares, {"text"}, seeded(seed))
        torch.testing.assert_close(y.label.sum(1), torch.ones(6))
        # whatever the share and the partner: the label's mean tells both
        mean = y.label @ values
        torch.testing.assert_close(y.inputs["image"][:, 0, 0, 0], 10 * mean)
        torch.testing.assert_close(y.inputs["audio"][:, 0, 0], mean)
        longest = torch.stack([batch.lengths["audio"][row > 0].max() for row in y.label])
        assert torch.equal(y.lengths["audio"], longest)
        assert (y.label.argmax(1) == batch.label).all(), "the larger share is the sample's own"
    assert not torch.equal(mean, values)


def test_a_sample_without_a_partner_of_its_modalities_stays() -> None:
    for seed in range(20):
        y = mixup(pairs(), 1.0, shares, {"text"}, seeded(seed))
        assert y.label[0].tolist() == [1, 0, 0, 0, 0, 0]
        assert (y.inputs["audio"][0] == 0).all() and (y.inputs["text"][0] == 0).all()


def test_of_two_texts_one_is_taken_whole_as_often_as_its_share() -> None:
    own = total = expected = 0.0
    for seed in range(300):
        y = mixup(pairs(), 1.0, shares, {"text"}, seeded(seed))
        text = y.inputs["text"]
        assert (text == text[:, :1]).all() and y.inputs["text"].dtype == torch.int32
        assert torch.equal(y.lengths["text"], text[:, 0].clamp(1, 4).long()), "the text's own length"
        is_mixed = y.label.max(1).values < 1
        assert (y.label.gather(1, text[:, :1].long()) > 0).all(), "a third sample's text"
        own += float((text[:, 0] == torch.arange(6))[is_mixed].sum())
        expected += float(y.label.max(1).values[is_mixed].sum())
        total += int(is_mixed.sum())
    assert abs(own - expected) / total < 0.03


def test_shares_follow_a_beta_distribution() -> None:
    shares = torch.tensor([drawn_share(0.4, seeded(seed)) for seed in range(2000)])
    assert shares.min() >= 0.5 and shares.max() <= 1
    # of Beta(a, a) the variance is 1 / (4 (2 a + 1)); folding keeps it about 0.5
    assert abs(float((shares - 0.5).square().mean()) - 1 / (4 * 1.8)) < 0.005


def test_beyond_the_end_of_one_the_other_is_unmixed() -> None:
    nan = float("nan")
    x, other = torch.tensor([[2.0, 2.0, nan, nan]]), torch.tensor([[4.0, 4.0, 4.0, nan]])
    y = mixed(x, other, 0.75, torch.tensor([2]), torch.tensor([3]))
    assert y[0].tolist() == [2.5, 2.5, 4.0, 0.0]


# ---- put together

SPECS = {
    "image": {"layout": "image", "mean": 50.0},
    "text": {"layout": "tokens", "mean": None, "unknown": 100},
    "audio": {"layout": "frames", "mean": -7.0},
}


def entry(augment: dict[str, Any]) -> Entry:
    encoders = {"audio": "cnn", "image": "cnn", "text": "lstm"}
    return check({"encoders": encoders, "fusion": "concat", "augment": augment}, Entry)


def test_params_name_augmentations_and_their_options() -> None:
    chosen = entry({"image": ["crop", {"name": "cutout", "size": 1.0}], "text": [{"name": "word_dropout", "probability": 1.0}]})
    batch = pairs()
    y = Augment(chosen, 0.0, SPECS, shares, "models.a")(batch, seeded())
    assert y.inputs["audio"] is batch.inputs["audio"] and torch.equal(y.label, batch.label)
    valid = torch.arange(4) < batch.lengths["text"][:, None]
    assert torch.equal(y.inputs["text"], torch.where(valid, 100, batch.inputs["text"]).int()), (
        "every word unknown, by the embedding's own id"
    )
    assert (y.inputs["image"] == 50).any(), "the mean of the train split"
    assert y.lengths == batch.lengths and y.present == batch.present


def test_augmentations_go_in_the_order_of_the_params() -> None:
    batch = pairs()
    for chain in (["crop", "cutout"], ["cutout", "crop"]):
        draw, expected = seeded(), batch.inputs["image"]
        for name in chain:
            expected = make(name, fill=50.0)(expected, None, draw)
        assert torch.equal(Augment(entry({"image": chain}), 0.0, SPECS, shares, "a")(batch, seeded()).inputs["image"], expected)


@pytest.mark.parametrize(
    ("augment", "words"),
    [
        ({"video": ["flip"]}, "models.a.augment.video: the model reads no modality 'video'; it reads: audio, image, text"),
        ({"text": ["flip"]}, "models.a.augment.text: 'flip' changes image or video, but embed.text gives tokens"),
    ],
)
def test_an_augmentation_that_does_not_fit_is_named(augment: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Augment(entry(augment), 0.0, SPECS, shares, "models.a")


def test_a_tokenizer_without_an_unknown_is_named() -> None:
    specs = SPECS | {"text": {"layout": "tokens", "mean": None, "unknown": None}}
    with pytest.raises(UserError, match=r"models.a.augment.text: the tokenizer of embed.text has no id for the unknown"):
        Augment(entry({"text": ["word_dropout"]}), 0.0, specs, shares, "models.a")


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(UserError, match=r"augment.image.0.sise: there is no such key, did you mean `size`"):
        entry({"image": [{"name": "cutout", "sise": 1}]})
