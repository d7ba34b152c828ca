"""What does an answer cost?"""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from deconfuse.analyses import Analysis, Subject, Tables

ROWS = 32
"""Test rows over which the mean is taken: lengths differ."""


class Costs(Analysis):
    """Floating-point operations of an answer, additions and multiplications apart: by torch's counter, and for recurrent layers, which it
    does not know, by their formula. Activations, normalisation and pooling, which cost little, are left out."""

    of_every_seed = False

    def __call__(self, subject: Subject) -> Tables:
        from torch.utils.flop_counter import FlopCounterMode

        data, model = subject.data("test"), subject.model
        rows = min(ROWS, len(data))
        batch = data.batch(slice(0, rows))
        counter = FlopCounterMode(display=False)
        # the counter sees what is dispatched, and inference mode hides it
        with torch.no_grad(), recurrent(model) as counted, counter:
            model(batch.inputs, batch.lengths, batch.present)
        seen = {name: sum(each.values()) for name, each in counter.get_flop_counts().items()}
        # what it does see of a recurrent layer is not counted twice
        twice = sum(seen.get(f"{type(model).__name__}.{name}", 0) for name in counted)
        total = counter.get_total_flops() - twice + sum(counted.values())
        parts = {"model": total, **{f"encoder {name}": part(seen, counted, type(model).__name__, name) for name in subject.modalities}}
        return {"costs": [{"part": name, "flops": round(flops / rows)} for name, flops in parts.items()]}


def part(seen: dict[str, int], counted: dict[str, float], root: str, modality: str) -> float:
    """What an encoder takes."""
    place = f"encoders.{modality}"
    own = {name: flops for name, flops in counted.items() if name.startswith(f"{place}.")}
    return seen.get(f"{root}.{place}", 0) - sum(seen.get(f"{root}.{name}", 0) for name in own) + sum(own.values())


@contextmanager
def recurrent(model: nn.Module) -> Generator[dict[str, float]]:
    """Within it the operations of each LSTM and GRU of a model are added up, by its name."""
    counted: dict[str, float] = {}

    def count(name: str) -> Callable[[nn.Module, tuple, object], None]:
        def add(layer: nn.Module, given: tuple, result: object) -> None:
            assert isinstance(layer, nn.LSTM | nn.GRU)
            counted[name] = counted.get(name, 0) + of_layer(layer, given[0])

        return add

    handles = [layer.register_forward_hook(count(name)) for name, layer in model.named_modules() if isinstance(layer, nn.LSTM | nn.GRU)]
    try:
        yield counted
    finally:
        for handle in handles:
            handle.remove()


def of_layer(layer: nn.LSTM | nn.GRU, x: Tensor | PackedSequence) -> float:
    """Two a weight and valid step: all weights are matrices that meet one vector a step."""
    steps = len(x.data) if isinstance(x, PackedSequence) else x.shape[0] * x.shape[1]
    return 2.0 * steps * sum(weight.numel() for name, weight in layer.named_parameters() if name.startswith("weight_"))
