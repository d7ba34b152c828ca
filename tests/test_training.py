"""The loop learns what is there, repeats itself, and stops over what it cannot train; its steps and losses are the named ones."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional as F

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.params import check as check_params
from deconfuse.model.build import build
from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model
from deconfuse.params.models import Model as Entry
from deconfuse.regularisation.reconstruction import check as check_reconstruction
from deconfuse.regularisation.reconstruction import squared_errors
from deconfuse.tasks._losses import balanced, cross_entropy
from deconfuse.training.draws import hide, order, sow, stream
from deconfuse.training.gradient import gradient, mean, pieces
from deconfuse.training.guards import TrainingError
from deconfuse.training.loop import assess, fit
from deconfuse.training.optimisation import factor, l1, matrices, optimizer
from deconfuse.training.recipe import Recipe
from deconfuse.training.state import State

torch.set_num_threads(1)


def points(samples: int, seed: int) -> Dataset:
    x = torch.randn(samples, 2, generator=torch.Generator().manual_seed(seed))
    return Dataset({"point": x}, {}, {"point": torch.ones(samples, dtype=torch.bool)}, (x[:, 0] + 2 * x[:, 1] > 0).long())


class Net(nn.Module):
    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Dropout(dropout), nn.Linear(8, 2))

    def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
        return self.layers(inputs["point"]), {}


def net(dropout: float = 0.2) -> Net:
    torch.manual_seed(0)
    return Net(dropout)


def recipe(model: nn.Module, **changes: Any) -> Recipe:
    plain = Recipe(
        seed=0,
        epochs=8,
        batch_size=16,
        optimizer=optimizer("adamw", model, 0.01, 0.9),
        rate=lambda step, steps: 0.05 * factor("cosine", step, steps, 0.1),
        loss=cross_entropy(None, 0.0),
        plain=cross_entropy(None, 0.0),
        measure="accuracy",
        score=lambda logits, label: logits.argmax(1) == label,
    )
    return replace(plain, **changes)


TRAIN, VAL = points(200, 1), points(200, 2)


def trained(model: nn.Module | None = None, **changes: Any) -> tuple[dict[str, Tensor], list[dict[str, float]]]:
    model = net() if model is None else model
    rows: list[dict[str, float]] = []
    return fit(model, TRAIN, VAL, recipe(model, **changes), rows.append).weights, rows


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


def disturbed() -> State:
    """A training during which something else draws numbers."""
    model = net()

    def log(row: dict[str, float]) -> None:
        torch.manual_seed(99)

    return fit(model, TRAIN, VAL, recipe(model), log)


# ---- the loop


@pytest.mark.parametrize(("name", "rate"), [("sgd", 0.3), ("adam", 0.05), ("adamw", 0.05)])
@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
def test_it_learns_what_can_be_learnt(name: Any, rate: float, schedule: Any) -> None:
    model = net()
    made = optimizer(name, model, 1e-4, 0.9)
    weights, rows = trained(model, optimizer=made, rate=lambda step, steps: rate * factor(schedule, step, steps, 0.1))
    assert max(row["val_accuracy"] for row in rows) > 0.95
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    best = min(rows, key=lambda row: row["val_loss"])
    model.load_state_dict(weights)
    with torch.no_grad():
        logits = model.eval()(VAL.inputs, {}, {})[0]
    assert float(F.cross_entropy(logits, VAL.label)) == pytest.approx(best["val_loss"]), "the weights of the best epoch"


def test_the_same_seed_gives_the_same_bytes() -> None:
    one, rows = trained()
    torch.rand(5)
    two, again = trained()
    other, _ = trained(seed=1)
    assert same(one, two) and rows == again
    assert same(one, disturbed().weights), "a draw elsewhere shifts dropout"
    assert not same(one, other)


def test_a_row_tells_of_its_epoch() -> None:
    _, rows = trained(epochs=3)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    norms = ["gradient_norm", "gradient_norm/layers"]
    assert list(rows[0]) == ["epoch", "learning_rate", "train_loss", "train_accuracy", *norms, "val_loss", "val_accuracy"]


def test_gradient_norms_are_those_of_the_last_step() -> None:
    model = twofold()
    plan = replace(recipe(model, epochs=1, batch_size=400, clip=1e-3), rate=lambda step, steps: 1e-3)
    rows: list[dict[str, float]] = []
    data = pictures(400, 1)
    fit(model, data, pictures(100, 2), plan, rows.append)
    again = twofold().train()
    loss = nn.functional.cross_entropy(again(data.inputs, data.lengths, data.present)[0], data.label)
    loss.backward()
    for name, part in {**again.encoders, "fusion": again.fusion, "head": again.head}.items():
        expected = torch.cat([weight.grad.flatten() for weight in part.parameters()] or [torch.zeros(1)]).norm()
        assert rows[0].get(f"gradient_norm/{name}", 0.0) == pytest.approx(float(expected), rel=1e-4), name
    whole = torch.cat([weight.grad.flatten() for weight in again.parameters()]).norm()
    assert rows[0]["gradient_norm"] == pytest.approx(float(whole), rel=1e-4), "before it is clipped"


def test_an_epoch_does_not_depend_on_the_draws_before() -> None:
    torch.manual_seed(3)
    one = order(50, 7, 4)
    for epoch in range(4):
        order(50, 7, epoch)
    torch.rand(11)
    assert torch.equal(order(50, 7, 4), one)
    assert sorted(one.tolist()) == list(range(50))
    assert not torch.equal(order(50, 7, 5), one) and not torch.equal(order(50, 8, 4), one)


def test_every_place_has_a_seed_of_its_own() -> None:
    places = [(seed, epoch, step) for seed in range(8) for epoch in range(1, 30) for step in range(-30, 30)]
    assert len({stream(*place) for place in places}) == len(places)


def test_every_sample_is_seen_once_an_epoch() -> None:
    seen: list[float] = []

    def augment(batch: Dataset, generator: torch.Generator) -> Dataset:
        seen.extend(batch.inputs["point"][:, 0].tolist())
        return batch

    trained(epochs=2, augment=augment)
    whole = sorted(TRAIN.inputs["point"][:, 0].tolist())
    assert sorted(seen[:200]) == whole == sorted(seen[200:]) and seen[:200] != seen[200:]


@pytest.mark.parametrize("most", [2, 3, 4, 7])
def test_batches_are_even_and_none_has_one_sample_alone(most: int) -> None:
    """It could not be normalised; of an odd number in twos one has three."""
    for samples in range(2, 20):
        model, sizes = net(), []

        def augment(batch: Dataset, generator: torch.Generator) -> Dataset:
            sizes.append(len(batch))  # noqa: B023
            return batch

        fit(model, points(samples, 1), VAL, recipe(model, epochs=1, batch_size=most, augment=augment), lambda row: None)
        assert sum(sizes) == samples and max(sizes) - min(sizes) <= 1
        assert min(sizes) >= 2 and max(sizes) <= max(most, 2 + samples % 2)


def test_augmentation_draws_from_seed_epoch_and_step_alone() -> None:
    drawn: list[float] = []

    def augment(batch: Dataset, generator: torch.Generator) -> Dataset:
        drawn.append(float(torch.rand((), generator=generator)))
        return batch

    plain, _ = trained(epochs=2)
    changed, _ = trained(epochs=2, augment=augment)
    assert same(plain, changed), "what augmentation draws moves no other draw"
    first, drawn = drawn, []
    trained(epochs=1, augment=augment)
    steps = len(first) // 2
    assert len(set(first)) == 2 * steps
    assert drawn == first[:steps], "the first epoch of one is the first epoch of two"


class Spy(Net):
    """Notes whether it was training, and whether it saw zeros only."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[bool, bool]] = set()

    def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
        self.seen.add((self.training, not inputs["point"].any()))
        return super().forward(inputs, lengths, present)


def test_what_is_augmented_is_what_the_model_sees_in_training_only() -> None:
    def augment(batch: Dataset, generator: torch.Generator) -> Dataset:
        return replace(batch, inputs={"point": torch.zeros_like(batch.inputs["point"])})

    spy = Spy()
    trained(spy, augment=augment)
    assert spy.seen == {(True, True), (False, False)}


def test_labels_may_be_shares() -> None:
    def augment(batch: Dataset, generator: torch.Generator) -> Dataset:
        return replace(batch, label=F.one_hot(batch.label, 2).float())

    one, rows = trained()
    two, again = trained(augment=augment)
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
    assert [row["train_accuracy"] for row in rows] == [row["train_accuracy"] for row in again]


class Idle(Net):
    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(2, 2)


@pytest.mark.parametrize("is_penalised", [False, True])
def test_a_parameter_that_is_not_used_is_named(is_penalised: bool) -> None:
    model = Idle()
    penalty = (lambda: 0.1 * l1(model)) if is_penalised else None
    with pytest.raises(TrainingError, match="unused.weight, unused.bias"):
        trained(model, penalty=penalty)


def test_a_frozen_parameter_is_left_alone() -> None:
    model = Idle().requires_grad_(False)
    model.layers.requires_grad_(True)
    before = model.unused.weight.clone()
    trained(model, penalty=lambda: 0.1 * l1(model))
    assert torch.equal(model.unused.weight, before)


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    with pytest.raises(TrainingError, match="training loss of epoch 1, step 1 is nan; a lower learning_rate") as raised:
        trained(loss=lambda logits, label: logits.sum() * math.nan)
    assert raised.value.rows is not None and torch.equal(raised.value.rows, order(200, 0, 1).tensor_split(13)[0])


@dataclass
class Once:
    """A loss that is spoilt in one call only: in its value, or in its gradient."""

    call: int
    is_gradient: bool
    calls: int = 0

    def __call__(self, logits: Tensor, label: Tensor) -> Tensor:
        self.calls += 1
        loss = F.cross_entropy(logits, label)
        if self.calls != self.call:
            return loss
        # the root of zero is zero, its slope is infinite
        return loss + ((logits - logits.detach()) ** 2).sum().sqrt() if self.is_gradient else loss * math.inf


@pytest.mark.parametrize("step", [1, 7, 13])
@pytest.mark.parametrize(
    ("is_gradient", "words"), [(False, "training loss of epoch 2, step {} is inf"), (True, "gradient of epoch 2, step {} ")]
)
def test_the_step_that_spoilt_the_training_is_named(step: int, is_gradient: bool, words: str) -> None:
    steps: list[tuple[int, int]] = []
    model = net()
    plan = recipe(model, loss=Once(13 + step, is_gradient))
    with pytest.raises(TrainingError, match=words.format(step)) as raised:
        fit(model, TRAIN, VAL, plan, lambda row: None, pause=lambda state: steps.append((state.epoch, state.step)))
    assert raised.value.rows is not None and torch.equal(raised.value.rows, order(200, 0, 2).tensor_split(13)[step - 1])
    # a bad loss never reaches the weights, a bad gradient is found in the next step or at the end of the epoch
    assert steps[-1] == ((2, step) if is_gradient else (2, step - 1) if step > 1 else (2, 0))
    assert all(value.isfinite().all() for value in model.parameters()) != is_gradient


def test_a_validation_loss_that_is_no_number_stops_the_training() -> None:
    bad = replace(VAL, inputs={"point": VAL.inputs["point"] / 0.0})
    model = net()
    with pytest.raises(TrainingError, match="validation loss of epoch 1 is nan"):
        fit(model, TRAIN, bad, recipe(model), print)


def test_a_parameter_outside_the_optimiser_is_named() -> None:
    model = net()
    part = torch.optim.SGD(model.layers[0].parameters(), lr=0.1)
    with pytest.raises(TrainingError, match=r"not in exactly one group of the optimiser: layers.3.weight, layers.3.bias"):
        trained(model, optimizer=part)


class Normalised(Net):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


@pytest.mark.parametrize("samples", [2, 3, 16, 17, 33])
def test_no_batch_has_a_single_sample(samples: int) -> None:
    model = Normalised()
    state = fit(model, points(samples, 1), VAL, recipe(model, epochs=2), lambda row: None)
    assert all(value.isfinite().all() for value in state.weights.values())


# ---- memory


class Hungry(Net):
    """Runs out of memory above so many samples at a time, as a GPU does."""

    def __init__(self, most: int) -> None:
        super().__init__(0.0)
        self.most = most
        self.sizes: list[int] = []

    def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
        samples = len(inputs["point"])
        if self.training and samples > self.most:
            raise torch.OutOfMemoryError(f"CUDA out of memory. Tried to allocate {samples} MiB.\nmore words")
        self.sizes += [samples] * self.training
        return super().forward(inputs, lengths, present)


def hungry(most: int) -> Hungry:
    torch.manual_seed(0)
    return Hungry(most)


def test_where_memory_is_short_the_same_steps_are_taken_in_pieces() -> None:
    model, said = hungry(5), []
    plan = recipe(model, penalty=lambda: 1e-3 * l1(model))
    state = fit(model, TRAIN, VAL, plan, lambda row: None, say=said.append)
    plain = hungry(1000)
    expected = fit(plain, TRAIN, VAL, recipe(plain, penalty=lambda: 1e-3 * l1(plain)), lambda row: None)
    assert said == [f"out of memory: from epoch 1, step 1 on each batch is learnt in {pieces} pieces" for pieces in (2, 4)]
    assert state.pieces == 4 and max(model.sizes) <= 5 and sum(model.sizes) == 8 * 200
    for name, value in expected.weights.items():
        torch.testing.assert_close(state.weights[name], value, rtol=1e-3, atol=1e-4)
    for one, two in zip(state.rows, expected.rows, strict=True):
        assert one == pytest.approx(two, rel=1e-3, abs=1e-2)


def test_memory_for_a_single_sample_is_not_enough() -> None:
    model = hungry(3)
    with pytest.raises(TrainingError, match=r"out of memory with 3 samples at a time: CUDA out of memory. Tried to allocate 4 MiB\.$"):
        fit(model, TRAIN, VAL, recipe(model, batch_size=15), lambda row: None, say=lambda text: None)


# ---- micro batches, clipping, averaging


@pytest.mark.parametrize("samples", [5, 16, 17])
@pytest.mark.parametrize("micro_batch", [2, 3, 5, 16])
def test_a_batch_in_pieces_has_the_gradient_of_the_whole(samples: int, micro_batch: int) -> None:
    model, data = hungry(micro_batch + 1), points(samples, 3)
    plan = recipe(model, batch_size=20, micro_batch=micro_batch, penalty=lambda: 1e-3 * l1(model))
    state = State(pieces=pieces(samples, plan))
    loss, logits = gradient(model, data, plan, state, print)
    found = [value.grad for value in model.parameters()]
    assert sum(model.sizes) == samples and min(model.sizes) >= 2
    # pieces of two of an odd number: one has three, as none may have one
    assert max(model.sizes) <= micro_batch + (micro_batch == 2 and samples % 2)
    whole = F.cross_entropy(model.eval()(data.inputs, {}, {})[0], data.label)
    expected = torch.autograd.grad(whole + 1e-3 * l1(model), list(model.parameters()))
    torch.testing.assert_close(found, list(expected), rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(loss, whole.detach())
    assert logits.shape == (samples, 2)


def test_a_micro_batch_gives_the_training_of_the_batch_and_memory_may_still_be_short() -> None:
    whole, _ = trained(hungry(1000))
    for most, expected in ((8, 2), (4, 4)):
        model = hungry(most)
        plan = recipe(model, micro_batch=8)
        state = fit(model, TRAIN, VAL, plan, lambda row: None, say=lambda text: None)
        assert state.pieces == expected and max(model.sizes) <= most
        for name, value in whole.items():
            torch.testing.assert_close(state.weights[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("most", [0.05, 100.0])
def test_a_long_gradient_is_clipped_as_torch_clips_it(most: float) -> None:
    """One step of plain gradient descent over all samples, against autograd by hand."""
    model, twin = net(0.0), net(0.0)
    made = optimizer("sgd", model, 0.0, 0.0)
    weights, _ = trained(model, optimizer=made, epochs=1, batch_size=200, rate=lambda step, steps: 1.0, clip=most)
    gradients = torch.autograd.grad(F.cross_entropy(twin(TRAIN.inputs, {}, {})[0], TRAIN.label), list(twin.parameters()))
    norm = torch.cat([value.flatten() for value in gradients]).norm()
    assert 0.05 < norm < 100
    for (name, value), slope in zip(twin.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(weights[name], value - slope * min(1.0, most / float(norm)), rtol=1e-4, atol=1e-6)


def test_a_clipped_gradient_that_is_no_number_is_told_before_it_reaches_the_weights() -> None:
    model = net()
    plan = recipe(model, loss=Once(13 + 7, True), clip=1.0)
    with pytest.raises(TrainingError, match="gradient of epoch 2, step 7 was not finite") as raised:
        fit(model, TRAIN, VAL, plan, lambda row: None)
    assert raised.value.rows is not None and torch.equal(raised.value.rows, order(200, 0, 2).tensor_split(13)[6])
    assert all(value.isfinite().all() for value in model.parameters())


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_the_average_is_validated_and_kept_and_the_training_goes_on_with_the_weights() -> None:
    """Against the recurrence by hand, batch norm's statistics included."""
    torch.manual_seed(0)
    model = Normalised()
    by_hand, raw, kept = copied(model), [], []

    def pause(state: State) -> None:
        if state.step:
            raw.append(copied(model))
            past = min(0.8, len(raw) / (9 + len(raw)))
            for name, value in raw[-1].items():
                by_hand[name] = past * by_hand[name] + (1 - past) * value if value.is_floating_point() else value
        else:
            kept.append(dict(by_hand))
            assert same(copied(model), raw[-1]), "the weights themselves are back"

    rows: list[dict[str, float]] = []
    state = fit(model, TRAIN, VAL, recipe(model, average=0.8), rows.append, pause=pause)
    assert len(raw) == 8 * 13 and state.weights["layers.1.num_batches_tracked"] == 13 * state.best_epoch
    for name, value in kept[state.best_epoch - 1].items():
        torch.testing.assert_close(state.weights[name], value, rtol=1e-4, atol=1e-5)
    model.load_state_dict(state.weights)
    with torch.no_grad():
        loss = F.cross_entropy(model.eval()(VAL.inputs, {}, {})[0], VAL.label)
    assert float(loss) == pytest.approx(min(row["val_loss"] for row in rows))
    torch.manual_seed(0)
    plain, ends = Normalised(), []
    fit(plain, TRAIN, VAL, recipe(plain), lambda row: None, pause=lambda state: ends.append(copied(plain)))
    assert same(ends[-1], raw[-1]), "an average moves no weight"


# ---- early stopping


@pytest.mark.parametrize("patience", [1, 2, 3, 40, None])
def test_training_ends_when_patience_does(patience: int | None) -> None:
    """Validation labels are noise: learning makes their loss worse sooner or later."""
    noise = replace(VAL, label=torch.randint(0, 2, (200,), generator=torch.Generator().manual_seed(0)))
    model, twin = net(), net()
    whole = fit(twin, TRAIN, noise, recipe(twin, epochs=30), lambda row: None)
    state = fit(model, TRAIN, noise, recipe(model, epochs=30, patience=patience), lambda row: None)
    losses = [row["val_loss"] for row in whole.rows]
    waited = [i + 1 - (1 + min(range(i + 1), key=losses.__getitem__)) for i in range(30)]
    expected = next((i + 1 for i, n in enumerate(waited) if patience is not None and n >= patience), 30)
    assert len(state.rows) == expected and state.rows == whole.rows[:expected], "the schedule is that of all epochs"
    assert state.best_epoch == 1 + min(range(expected), key=losses.__getitem__)
    assert expected < 30 or patience in (40, None)


def test_modalities_are_hidden_but_never_the_last() -> None:
    torch.manual_seed(0)
    present = {"a": torch.ones(4000, dtype=torch.bool), "b": torch.arange(4000) % 2 == 0}
    left = hide(present, 0.5)
    assert (left["a"] | left["b"]).all() and not (left["b"] & ~present["b"]).any()
    # with both: each is left alone with probability 1/4, both stay with 1/4 and the 1/4 that would lose all keeps all
    both = (left["a"] & left["b"])[::2].float().mean()
    assert abs(float(both) - 0.5) < 0.06


# ---- steps


def one_step(name: Any, weight_decay: float = 0.0, momentum: float = 0.0) -> tuple[Tensor, Tensor]:
    """A matrix of ones and a vector of ones after two steps of rate 0.1 with the gradient 1 each."""
    model = nn.Linear(2, 2)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    made = optimizer(name, model, weight_decay, momentum)
    for _ in range(2):
        for group in made.param_groups:
            group["lr"] = 0.1
        model.weight.grad, model.bias.grad = torch.ones(2, 2), torch.ones(2)
        made.step()
    return model.weight.detach()[0, 0], model.bias.detach()[0]


@pytest.mark.parametrize(
    ("name", "weight_decay", "momentum", "matrix", "vector"),
    [
        ("sgd", 0.0, 0.0, 0.8, 0.8),
        # 0.1, then 0.1 * (1 + 0.5)
        ("sgd", 0.0, 0.5, 0.75, 0.75),
        # 1 - 0.1 * (1 + 0.5 * 1) = 0.85, then - 0.1 * (1 + 0.5 * 0.85)
        ("sgd", 0.5, 0.0, 0.7075, 0.8),
        # a step has the size of the rate, whatever that of the gradient
        ("adam", 0.0, 0.9, 0.8, 0.8),
        # a share of 0.1 * 0.5 is lost before each step: (1 * 0.95 - 0.1) * 0.95 - 0.1
        ("adamw", 0.5, 0.9, 0.7075, 0.8),
    ],
)
def test_steps_by_hand(name: Any, weight_decay: float, momentum: float, matrix: float, vector: float) -> None:
    found = one_step(name, weight_decay, momentum)
    assert [float(value) for value in found] == pytest.approx([matrix, vector], abs=1e-6)


def test_adam_takes_l2_into_the_gradient_and_adamw_does_not() -> None:
    adam, adamw = optimizer("adam", net(), 0.5, 0.0), optimizer("adamw", net(), 0.5, 0.0)
    assert isinstance(adam, torch.optim.Adam) and not isinstance(adam, torch.optim.AdamW) and not adam.defaults["decoupled_weight_decay"]
    assert isinstance(adamw, torch.optim.AdamW)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_every_parameter_is_in_one_group(name: Any) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(2, 2))
    groups = optimizer(name, model, 0.1, 0.9).param_groups
    assert sorted(id(value) for group in groups for value in group["params"]) == sorted(map(id, model.parameters()))
    assert {id(value) for group in groups if group["weight_decay"] for value in group["params"]} == set(map(id, matrices(model)))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cosine", [0.5, 1.0, 1.0, 0.853553, 0.5, 0.146447]),
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_schedules_by_hand(name: Any, expected: list[float]) -> None:
    assert [factor(name, step, 6, 1 / 3) for step in range(6)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("name", ["cosine", "linear", "constant"])
def test_schedules_of_one_step(name: Any) -> None:
    assert factor(name, 0, 1, 0.0) == factor(name, 0, 1, 0.9) == 1


# ---- losses


def test_balanced_weights_are_those_of_scikit_learn() -> None:
    label = torch.tensor([0] * 7 + [1] * 2 + [2])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=label.numpy())
    assert balanced(label, 3).tolist() == pytest.approx(expected.tolist())
    assert balanced(label, 3)[label].mean() == pytest.approx(1)


def test_a_class_that_is_not_seen_weighs_nothing() -> None:
    label = torch.tensor([0, 0, 2, 2, 2])
    assert balanced(label, 3).tolist() == pytest.approx([5 / 4, 0, 5 / 6])


def test_balanced_weights_find_the_rare_class() -> None:
    """Two overlapping heaps, 20 to 1: unweighted, the rare one is mostly missed."""
    draw = torch.Generator().manual_seed(0)
    label = (torch.arange(840) % 21 == 0).long()
    x = torch.randn(840, 2, generator=draw) + 1.5 * label[:, None]
    data = Dataset({"point": x}, {}, {"point": label >= 0}, label)
    recall = {}
    for weight in (None, balanced(label, 2)):
        model = net(0.0)
        fit(model, data, data, recipe(model, loss=cross_entropy(weight, 0.0)), lambda row: None)
        with torch.no_grad():
            recall[weight is not None] = float((model(data.inputs, {}, {})[0].argmax(1) == 1)[label == 1].float().mean())
    assert recall[True] > 0.75 and recall[False] < 0.5


def test_cross_entropy_by_hand() -> None:
    logits, label = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 0, 1, 2, 2, 2])
    weight = torch.tensor([1.0, 3.0, 0.5])
    each = -logits.log_softmax(1).gather(1, label[:, None])[:, 0]
    torch.testing.assert_close(cross_entropy(None, 0.0)(logits, label), each.mean())
    torch.testing.assert_close(cross_entropy(weight, 0.0)(logits, label), (weight[label] * each).sum() / weight[label].sum())
    smooth = 0.7 * F.one_hot(label, 3) + 0.3 / 3
    torch.testing.assert_close(cross_entropy(None, 0.3)(logits, label), -(smooth * logits.log_softmax(1)).sum(1).mean())


def test_l1_by_hand() -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, -2.0], [0.0, 0.5]]))
    penalty = l1(model)
    penalty.backward()
    assert float(penalty.detach()) == 3.5
    assert model.weight.grad is not None and model.weight.grad.tolist() == [[1, -1], [0, 1]] and model.bias.grad is None


def test_a_penalty_is_added_to_the_gradient_of_the_loss() -> None:
    """One step of plain gradient descent over all samples, against autograd by hand."""
    model, twin = net(0.0), net(0.0)
    made = optimizer("sgd", model, 0.0, 0.0)
    weights, rows = trained(model, optimizer=made, epochs=1, batch_size=200, rate=lambda step, steps: 0.1, penalty=lambda: 0.03 * l1(model))
    loss = F.cross_entropy(twin(TRAIN.inputs, {}, {})[0], TRAIN.label)
    assert rows[0]["train_loss"] == pytest.approx(float(loss.detach())), "the penalty is not in the loss that is logged"
    whole = loss + 0.03 * sum(value.abs().sum() for value in twin.parameters() if value.dim() > 1)
    gradients = torch.autograd.grad(whole, list(twin.parameters()))
    for (name, value), slope in zip(twin.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(weights[name], value - 0.1 * slope)


def test_a_large_penalty_makes_weights_small() -> None:
    plain, shrunk = net(), net()
    trained(plain)
    trained(shrunk, penalty=lambda: 0.1 * l1(shrunk))
    assert l1(shrunk) < 0.2 * l1(plain)


# ---- reconstruction

PIXELS = {"layout": "image", "shape": [1, 8, 8], "vocabulary": 0, "mean": 100.0, "std": 50.0}
LEVELS = {"layout": "frames", "shape": [8, 4], "vocabulary": 0, "mean": 0.0, "std": 2.0}
SPECS = {"sound": LEVELS, "picture": PIXELS}


def pictures(samples: int, seed: int) -> Dataset:
    """Pictures of two stripes each, whose label is the brighter one, and sounds of noise; every fifth picture is missing."""
    draw = torch.Generator().manual_seed(seed)
    stripes = 100 + 50 * torch.randn(samples, 1, 1, 2, generator=draw)
    picture = stripes.repeat_interleave(8, 2).repeat_interleave(4, 3)
    sound = 2 * torch.randn(samples, 8, 4, generator=draw)
    there = {"picture": torch.arange(samples) % 5 > 0, "sound": torch.ones(samples, dtype=torch.bool)}
    label = (stripes[:, 0, 0, 0] > stripes[:, 0, 0, 1]).long()
    return Dataset({"picture": picture, "sound": sound}, {"sound": torch.full((samples,), 8)}, there, label)


def twofold(picture: str = "ddnet", sound: str = "linear") -> Model:
    torch.manual_seed(0)
    encoders = {"picture": {"name": picture, "channels": [16, 32]} if picture == "ddnet" else picture, "sound": sound}
    entry = check_params({"encoders": encoders, "fusion": "concat", "width": 8}, Entry)
    return build(entry, SPECS, torch.zeros(2), "models.tried")


def fitted(weight: float, **changes: Any) -> tuple[dict[str, Tensor], list[dict[str, float]], int]:
    model, rows = twofold(), []
    plan = recipe(model, epochs=6, batch_size=20, reconstruction=weight, errors=squared_errors if weight > 0 else None)
    plan = replace(plan, rate=lambda step, steps: 0.005 * factor("cosine", step, steps, 0.1), **changes)
    result = fit(model, pictures(400, 1), pictures(100, 2), plan, rows.append)
    return result.weights, rows, result.best_epoch


def test_an_auto_encoder_gives_back_what_it_was_given() -> None:
    plain, rows, _ = fitted(0.0)
    _, given_back, best = fitted(1000.0)
    assert "val_reconstruction" not in rows[0]
    assert list(given_back[0]) == [
        "epoch",
        "learning_rate",
        "train_loss",
        "train_accuracy",
        "gradient_norm",
        *(f"gradient_norm/{part}" for part in ("fusion", "head", "picture", "sound")),
        "val_loss",
        "val_accuracy",
        "val_reconstruction",
    ]
    # the data's own variance is 1
    assert given_back[-1]["val_reconstruction"] < 0.1
    untouched = twofold()
    untouched.load_state_dict(plain)
    assert assess(untouched, pictures(100, 2), recipe(untouched, errors=squared_errors))["val_reconstruction"] > 0.5
    assert best == min(given_back, key=lambda row: row["val_loss"] + 1000 * row["val_reconstruction"])["epoch"]
    assert given_back[-1]["val_accuracy"] > 0.8, "the maps after it still learn the labels"


def test_a_weight_of_zero_changes_no_byte() -> None:
    one, rows, _ = fitted(0.0)
    two, again, _ = fitted(0.0, errors=squared_errors)
    assert same(one, two)
    assert rows == [{key: value for key, value in row.items() if key != "val_reconstruction"} for row in again]


def test_a_reconstruction_is_added_to_the_gradient_with_its_weight() -> None:
    """One step of plain gradient descent over all samples, against autograd by hand."""
    model, twin, data = twofold(), twofold(), pictures(40, 1)
    plan = recipe(model, epochs=1, batch_size=40, reconstruction=0.7, errors=squared_errors, rate=lambda step, steps: 0.1)
    rows: list[dict[str, float]] = []
    weights = fit(model, data, data, replace(plan, optimizer=optimizer("sgd", model, 0.0, 0.0)), rows.append).weights
    logits, out = twin(data.inputs, data.lengths, data.present)
    seen = data.present["picture"]
    error = F.mse_loss(out["picture"]["reconstruction"][seen], (data.inputs["picture"][seen] - 100) / 50)
    loss = F.cross_entropy(logits, data.label)
    assert rows[0]["train_loss"] == pytest.approx(float(loss.detach())), "the reconstruction is not in the loss that is logged"
    gradients = torch.autograd.grad(loss + 0.7 * error, list(twin.parameters()))
    for (name, value), slope in zip(twin.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(weights[name], value - 0.1 * slope, rtol=1e-4, atol=1e-6)


def test_what_an_augmented_sample_is_compared_with_is_what_the_encoder_saw() -> None:
    def grey(batch: Dataset, generator: torch.Generator) -> Dataset:
        return replace(batch, inputs=batch.inputs | {"picture": torch.full_like(batch.inputs["picture"], 200.0)})

    seen: list[float] = []

    def errors(out: Any, present: dict[str, Tensor]) -> Tensor:
        seen.append(float(out["picture"]["input"].mean()))
        return squared_errors(out, present)

    model = twofold()
    fit(model, pictures(40, 1), pictures(40, 2), recipe(model, epochs=1, batch_size=40, errors=errors, augment=grey), lambda row: None)
    assert seen[0] == 2.0 and seen[1] != 2.0, "training sees grey, validation what is stored"


def test_errors_of_reconstruction_by_hand() -> None:
    given = torch.tensor([[1.0, 3.0], [0.0, 0.0], [math.nan, 7.0]])
    out = {
        "a": {"input": given, "reconstruction": torch.zeros(3, 2)},
        "b": {"input": given},
        "c": {"input": given[:, :1], "reconstruction": torch.full((3, 1), 2.0)},
    }
    present = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True] * 3), "c": torch.tensor([False, True, False])}
    # (1 + 9) / 2 and 0 of a, 4 of c
    assert squared_errors(out, present).tolist() == [9, 3]
    assert float(mean(squared_errors(out, {name: torch.zeros(3, dtype=torch.bool) for name in out}))) == 0


def test_a_reconstruction_that_is_no_number_stops_the_training() -> None:
    def errors(out: Any, present: dict[str, Tensor]) -> Tensor:
        return torch.tensor([math.inf, 1.0])

    model = net()
    with pytest.raises(TrainingError, match="validation reconstruction loss of epoch 1 is inf"):
        fit(model, TRAIN, VAL, recipe(model, errors=errors), print)


def test_a_reconstruction_that_nothing_gives_is_named() -> None:
    plain, able = (check_params({"encoders": {"picture": name}}, Entry) for name in ("cnn", "ddnet"))
    check_reconstruction(plain, 0.0, "models.a")
    check_reconstruction(able, 1.0, "models.a")
    with pytest.raises(UserError, match=r"models.a.train.reconstruction: it is 1, but cnn gives no reconstruction; .* encode by ddnet"):
        check_reconstruction(plain, 1.0, "models.a")


def test_modules_draw_what_torchs_own_seed_gives() -> None:
    layer, ones = nn.Dropout(0.5), torch.ones(1000)
    torch.manual_seed(stream(3, 2, 1))
    expected = layer(ones)
    sow(stream(3, 2, 1), torch.device("cpu"))
    assert torch.equal(layer(ones), expected)
