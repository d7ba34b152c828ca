"""What does an answer cost?"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from deconfuse.analyses import Analysis, Subject, Tables
from deconfuse.model.observing import Observing
from deconfuse.model.room import at_once

ROWS = 32
"""Test rows over which the mean is taken: lengths differ."""


class Costs(Analysis):
    """Floating-point operations of an answer, additions and multiplications apart: by torch's formulas, and for recurrent layers, of which
    it has none, two a weight and valid step. Activations, normalisation and pooling, which cost little, are left out."""

    of_every_seed = False

    def __call__(self, subject: Subject) -> Tables:
        data, model = subject.data("test"), subject.model
        rows = min(ROWS, len(data), at_once(model, data))
        batch = data.batch(slice(0, rows))
        parts = {f"encoder {name}": model.encoders[name] for name in subject.modalities}
        # operations hide from a counter where nothing could be learnt from them
        with torch.no_grad(), Counter() as counter, watched(model, counter, parts) as found:
            model(batch.inputs, batch.lengths, batch.present)
        return {"costs": [{"part": name, "flops": round(flops / rows)} for name, flops in {"model": counter.total, **found}.items()]}


class Counter(Observing):
    """Adds up the operations of what is computed within it."""

    def __init__(self) -> None:
        super().__init__()
        # brings in a compiler's parts
        from torch.utils.flop_counter import flop_registry

        self.formulas = flop_registry
        self.total = 0.0
        self.inside = 0
        """Recurrent layers at work, whose operations are told by `of_layer`."""

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        formula = self.formulas.get(func._overloadpacket)
        if formula is not None and not self.inside:
            self.total += formula(*args, **(kwargs or {}), out_val=out)
        return out


@contextmanager
def watched(model: nn.Module, counter: Counter, parts: dict[str, nn.Module]) -> Generator[dict[str, float]]:
    """Within it recurrent layers are counted, and what each of some parts takes is told by its name."""
    found: dict[str, float] = {}
    layers = [layer for layer in model.modules() if isinstance(layer, nn.LSTM | nn.GRU)]
    handles = [
        handle
        for layer in layers
        for handle in (layer.register_forward_pre_hook(begun(counter)), layer.register_forward_hook(done(counter)))
    ]
    for name, part in parts.items():

        def start(part: nn.Module, given: tuple, name: str = name) -> None:
            found[name] = -counter.total

        def stop(part: nn.Module, given: tuple, result: object, name: str = name) -> None:
            found[name] += counter.total

        handles += [part.register_forward_pre_hook(start), part.register_forward_hook(stop)]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def begun(counter: Counter) -> Callable[[nn.Module, tuple], None]:
    def note(layer: nn.Module, given: tuple) -> None:
        counter.inside += 1

    return note


def done(counter: Counter) -> Callable[[nn.Module, tuple, object], None]:
    def note(layer: nn.Module, given: tuple, result: object) -> None:
        assert isinstance(layer, nn.LSTM | nn.GRU)
        counter.inside -= 1
        counter.total += of_layer(layer, given[0])

    return note


def of_layer(layer: nn.LSTM | nn.GRU, x: Tensor | PackedSequence) -> float:
    """Two a weight and valid step: all weights are matrices that meet one vector a step."""
    steps = len(x.data) if isinstance(x, PackedSequence) else x.shape[0] * x.shape[1]
    return 2.0 * steps * sum(weight.numel() for name, weight in layer.named_parameters() if name.startswith("weight_"))
