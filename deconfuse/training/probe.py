"""What the layers of a model give for a fixed batch, forwards and backwards; the model is left as it was."""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.overrides import TorchFunctionMode

from deconfuse.training import checkerboard
from deconfuse.training.layers import Layer

Numbers = dict[str, float | None]
RELUS = {F.relu, F.relu_, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
SUMS = ("number", "sum", "squares", "lines", "energy")


class Seen:
    """What a layer gave; of one that ran several times, of all runs together."""

    def __init__(self) -> None:
        self.sums = dict.fromkeys(SUMS, 0.0)
        self.noise: float | None = None
        """Share of the waves of period 2 in white noise of its maps' size; None where it makes no maps."""
        self.dead: list[Tensor] = []
        """Of the ReLU right after it, which units are 0 everywhere in the batch."""
        self.edges: list[GradientEdge] = []
        """Where the gradient reaches what it gave."""

    def take(self, made: Tensor, is_map: bool) -> None:
        values = made.detach().double()
        found = [values.numel(), values.sum(), values.square().sum()]
        if is_map and min(values.shape[-2:]) >= checkerboard.LEAST:
            found += checkerboard.energies(values)
            self.noise = checkerboard.noise(*values.shape[-2:])
        for name, value in zip(SUMS, found, strict=False):
            self.sums[name] += float(value)
        if made.requires_grad:
            # not of the tensor: what follows may change that in place
            self.edges.append(get_gradient_edge(made))

    def numbers(self, samples: int) -> Numbers:
        """By the columns of a diagnosis; None where there is nothing to tell."""
        has, sums = self.sums["number"] > 0, self.sums
        mean = sums["sum"] / max(1, sums["number"])
        dead = torch.cat(self.dead) if self.dead else None
        return {
            "spread": math.sqrt(max(0.0, sums["squares"] / sums["number"] - mean**2)) if has else None,
            "activation_norm": math.sqrt(sums["squares"] / samples) if has else None,
            "dead_share": None if dead is None else float(dead.double().mean()),
            "checkerboard": None if self.noise is None else checkerboard.share(sums["lines"], sums["energy"]),
            "checkerboard_noise": self.noise,
        }


class Watcher(TorchFunctionMode):
    """Sees the modules of a model at work, and while it is entered the ReLUs between them, modules or not.

    Args:
        layers: those to take in.
    """

    def __init__(self, layers: list[Layer]) -> None:
        super().__init__()
        self.layers = {layer.name: layer for layer in layers}
        self.seen = {layer.name: Seen() for layer in layers}
        self.ended: dict[str, int] = {}
        """All modules by the order in which they first ended."""
        self.last: Layer | None = None

    def note(self, name: str, module: nn.Module, given: Any, made: Any) -> None:
        """A forward hook but for the name."""
        self.ended.setdefault(name, len(self.ended))
        while isinstance(made, tuple | list) and made:
            # a recurrent layer gives its states first, packed or not
            made = made[0]
        if name in self.layers and isinstance(made, Tensor) and made.is_floating_point():
            self.last = self.layers[name]
            self.seen[name].take(made, isinstance(module, _ConvNd) and made.dim() > 3)

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if func in RELUS and self.last is not None:
            has_channels = isinstance(self.last.module, _ConvNd | _NormBase) and made.dim() > 2
            unit = 1 if has_channels else made.dim() - 1
            self.seen[self.last.name].dead.append((made.detach() == 0).movedim(unit, 0).flatten(1).all(1))
        return made

    def place(self, name: str) -> int:
        """When a module ended; of one that its owner worked with by itself, when that ended."""
        while name not in self.ended:
            name = name.rpartition(".")[0]
        return self.ended[name]


def probe(
    model: nn.Module, layers: list[Layer], batch: Any, loss: Callable[[Tensor, Tensor], Tensor]
) -> tuple[list[Layer], dict[str, Numbers]]:
    """The layers in the order in which they work, and by name what each gives for a batch.

    Norms take the batch's own statistics, as in training, and nothing is dropped out.

    Args:
        model: in any mode.
        layers: of the model.
        batch: samples as the model takes them (`inputs`, `lengths`, `present`), and their `label`.
        loss: mean of a sample, of logits and labels.
    """
    watcher = Watcher(layers)
    hooks = [module.register_forward_hook(partial(watcher.note, name)) for name, module in model.named_modules()]
    try:
        # cuDNN's recurrent layers have no gradient in evaluation
        with unchanged(model), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            with watcher:
                logits, _ = model(batch.inputs, batch.lengths, batch.present)
            deltas = slopes(loss(logits, batch.label), watcher.seen)
    finally:
        for hook in hooks:
            hook.remove()
    numbers = {name: seen.numbers(len(batch.label)) | {"delta_norm": deltas[name]} for name, seen in watcher.seen.items()}
    return sorted(layers, key=lambda layer: watcher.place(layer.name)), numbers


def slopes(loss: Tensor, seen: dict[str, Seen]) -> dict[str, float | None]:
    """By layer the norm of the loss's gradient with respect to what it gave; None where the loss does not depend on it."""
    edges = [edge for each in seen.values() for edge in each.edges]
    found = iter(torch.autograd.grad(loss, edges, allow_unused=True) if edges else ())
    norms = {name: [next(found) for _ in each.edges] for name, each in seen.items()}
    reached = {name: [float(value.double().norm()) for value in values if value is not None] for name, values in norms.items()}
    return {name: math.hypot(*values) if values else None for name, values in reached.items()}


@contextmanager
def unchanged(model: nn.Module) -> Generator[None]:
    """Let only what keeps running statistics be in training; modes and buffers are put back."""
    modes = [(module, module.training) for module in model.modules()]
    kept = [(buffer, buffer.clone()) for buffer in model.buffers()]
    for module, _ in modes:
        module.training = any(name.startswith("running_") for name, _ in module.named_buffers(recurse=False))
    # else a model that averages its answers over several forms of a sample would do so
    model.training = True
    try:
        yield
    finally:
        for module, was_training in modes:
            module.training = was_training
        for buffer, value in kept:
            buffer.copy_(value)
