"""A model is asked as many samples at a time as there is room for, to the same answers."""

import pytest
import torch
from torch import Tensor, nn

from deconfuse.model import room
from deconfuse.model.dataset import Dataset
from deconfuse.model.room import at_once, differentiated_at_once
from deconfuse.runtime.prediction import predict

MIB = 2**20


class Enlarging(nn.Module):
    """Answers of which each has passed through so many MiB, and weights of `weights` MiB that are cast at every call."""

    def __init__(self, size: int, weights: int = 1) -> None:
        super().__init__()
        self.size, self.weights = size, nn.Parameter(torch.ones(weights * MIB // 4))
        self.asked: list[int] = []

    def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
        x = inputs["image"].flatten(1).float().sum(1)
        self.asked.append(len(x))
        scale = self.weights.double().mean()
        return (x.repeat(self.size * MIB // 4, 1).mean(0) * scale)[:, None], {}


def pictures(number: int) -> Dataset:
    image = torch.arange(number * 4, dtype=torch.uint8).view(number, 1, 2, 2)
    return Dataset({"image": image}, {}, {"image": torch.ones(number, dtype=torch.bool)}, torch.zeros(number))


@pytest.mark.parametrize(("size", "weights", "number"), [(1, 1, 256), (60, 1, 4), (300, 1, 1), (1, 400, 256)])
def test_samples_of_large_maps_are_asked_a_few_at_a_time(size: int, weights: int, number: int) -> None:
    model = Enlarging(size, weights)
    assert at_once(model, pictures(3)) == number
    expected = torch.arange(48).view(12, 4).sum(1)
    assert predict(model, pictures(12))[:, 0].tolist() == expected.tolist()
    assert model.asked == [1, 2, *([number] * (12 // number) or [12])]


def test_small_samples_are_asked_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "BATCH", 5)
    model = Enlarging(1)
    predict(model, pictures(12))
    assert model.asked == [1, 2, 5, 5, 2]


def test_where_gradients_are_wanted_all_that_is_made_counts() -> None:
    class Twice(Enlarging):
        def forward(self, *given: dict[str, Tensor]) -> tuple[Tensor, dict]:
            first, out = super().forward(*given)
            return first + super().forward(*given)[0], out

    # 50 or 100 MiB a sample of a GiB; the largest value is the same
    assert [differentiated_at_once(model(50), pictures(1)) for model in (Enlarging, Twice)] == [20, 10]
    assert [at_once(model(50), pictures(1)) for model in (Enlarging, Twice)] == [5, 5]


def test_a_recurrent_model_may_compute_in_bf16() -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.LSTM(4, 8, batch_first=True)

        def forward(self, inputs: dict[str, Tensor], lengths: dict[str, Tensor], present: dict[str, Tensor]) -> tuple[Tensor, dict]:
            with torch.autocast("cpu", torch.bfloat16):
                return self.rnn(inputs["image"].flatten(2).bfloat16())[0][:, 0].float(), {}

    assert predict(Recurrent(), pictures(3)).shape == (3, 8)
