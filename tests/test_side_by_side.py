"""Encoders side by side learn the bytes of one after the other; those that would not are left one after the other."""

import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from test_training import pictures, recipe, twofold
from torch import nn

from deconfuse.kernel.cores import SHARE, cores
from deconfuse.model.multimodal import Model
from deconfuse.training import side_by_side
from deconfuse.training.loop import fit
from deconfuse.training.side_by_side import TRIED, SideBySide

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 0.0)


def learnt(model: Model, workers: int, **changes: Any) -> tuple[Model, list[dict[str, float]]]:
    model.each = SideBySide(workers, 1) if workers > 1 else None
    rows: list[dict[str, float]] = []
    fit(model, pictures(200, 1), pictures(60, 2), replace(recipe(model, epochs=3, batch_size=20), **changes), rows.append)
    return model, rows


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("picture", ["cnn", "deconvolution"])
@pytest.mark.parametrize("changes", [{}, {"micro_batch": 7}, {"modality_dropout": 0.5, "clip": 0.1, "average": 0.9}])
def test_the_same_bytes_whatever_the_number_of_workers(picture: str, changes: dict[str, Any]) -> None:
    alone, rows = learnt(twofold(picture, "lstm"), 1, **changes)
    for workers in (2, 3):
        model, others = learnt(twofold(picture, "lstm"), workers, **changes)
        assert model.each.pays and same(model, alone) and others == rows


def test_they_really_work_at_the_same_time() -> None:
    """Each waits in its middle for the other, forwards and backwards."""
    model, forwards, backwards = twofold("cnn"), threading.Barrier(2, timeout=20), threading.Barrier(2, timeout=20)
    each = model.each = SideBySide(2, 1)
    data = pictures(20, 1)

    def step() -> None:
        model(data.inputs, data.lengths, data.present)[0].square().sum().backward()

    def meet(barrier: threading.Barrier, *given: object) -> None:
        barrier.wait()

    for _ in range(TRIED):
        step()
    for encoder in model.encoders.values():
        encoder.register_forward_hook(partial(meet, forwards))
        next(encoder.parameters()).register_hook(partial(meet, backwards))
    step()
    assert each.pays


def test_where_random_numbers_are_drawn_they_are_drawn_in_turn() -> None:
    def dropping() -> Model:
        model = twofold("cnn")
        model.encoders["sound"] = Dropped(model.encoders["sound"])
        return model

    alone, _ = learnt(dropping(), 1)
    model, _ = learnt(dropping(), 2)
    assert not model.each.pays and same(model, alone)


class Dropped(nn.Module):
    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: torch.Tensor, length: torch.Tensor | None) -> tuple[torch.Tensor, dict]:
        tokens, out = self.encoder(x, length)
        return nn.functional.dropout(tokens, 0.5, self.training), out


def test_an_encoder_that_ends_does_not_disturb_another_in_bf16() -> None:
    """autocast keeps casts of weights for all threads: gradients of one made anew in the middle are summed in another precision."""

    def gradients(workers: int) -> list[torch.Tensor | None]:
        model, is_half_done, is_done = twofold("cnn"), threading.Event(), threading.Event()
        model.bf16, model.each = frozenset(model.parts()), SideBySide(workers, 1)
        model.encoders["sound"] = Repeated(model.encoders["sound"])
        data, encode_one = pictures(20, 1), model.encode_one
        for _ in range(TRIED):
            model(data.inputs, data.lengths, data.present)[0].square().sum().backward()

        def encoded(name: str, *given: Any) -> Any:
            if name == "picture" and workers > 1:
                assert is_half_done.wait(20)
            found = encode_one(name, *given)
            is_done.set()
            return found

        def between() -> None:
            is_half_done.set()
            assert workers == 1 or is_done.wait(20)

        model.encode_one, model.encoders["sound"].between = encoded, between
        model(data.inputs, data.lengths, data.present)[0].square().sum().backward()
        assert model.each.pays
        return [value.grad for value in model.parameters()]

    for one, other in zip(gradients(1), gradients(2), strict=True):
        assert torch.equal(one, other)


class Repeated(nn.Module):
    """An encoder that uses its weights twice, as recurrent ones do, and does something between."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.between = lambda: None

    def forward(self, x: torch.Tensor, length: torch.Tensor | None) -> tuple[torch.Tensor, dict]:
        tokens, out = self.encoder(x, length)
        self.between()
        return tokens + self.encoder(x.square(), length)[0], out


def test_what_takes_no_time_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "WORTH", 10.0)
    model, _ = learnt(twofold("cnn"), 2)
    assert not model.each.pays


def test_what_validation_asks_does_not_count_as_tried() -> None:
    """Else an encoder that drops would never be seen to draw, where a training goes on at an epoch's end."""
    model = twofold("cnn")
    each = model.each = SideBySide(2, 1)
    data = pictures(20, 1)
    with torch.inference_mode():
        for _ in range(TRIED + 1):
            model.eval()(data.inputs, data.lengths, data.present)
    assert each.tried == 0


def test_a_frozen_encoder_and_an_error() -> None:
    def frozen() -> Model:
        model = twofold("cnn")
        model.encoders["sound"].requires_grad_(False)
        return model

    def stepped(model: Model) -> Model:
        data = pictures(20, 1)
        for _ in range(TRIED + 2):
            model(data.inputs, data.lengths, data.present)[0].square().sum().backward()
        return model

    one, other = frozen(), frozen()
    other.each = SideBySide(2, 1)
    stepped(one), stepped(other)
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert (a.grad is None and b.grad is None) or torch.equal(a.grad, b.grad)
    fails: Callable[..., Any] = lambda *given: (_ for _ in ()).throw(RuntimeError("a broken encoder"))  # noqa: E731
    other.encoders["picture"].forward = fails
    with pytest.raises(RuntimeError, match="a broken encoder"):
        stepped(other)


def test_a_look_at_the_model_is_not_disturbed() -> None:
    """In evaluation gradients go all the way to what was given."""
    model = twofold("cnn")
    model.each = SideBySide(2, 1)
    data = pictures(20, 1)
    for _ in range(TRIED + 1):
        model(data.inputs, data.lengths, data.present)
    picture = data.inputs["picture"].requires_grad_()
    logits, _ = model.eval()({**data.inputs, "picture": picture}, data.lengths, data.present)
    (found,) = torch.autograd.grad(logits.sum(), picture)
    assert found.abs().sum() > 0


def test_a_share_of_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SHARE, raising=False)
    everything = cores()
    for given, expected in (("1", 1), ("0", 1), ("100000", everything), ("", everything), ("many", everything)):
        monkeypatch.setenv(SHARE, given)
        assert cores() == expected
