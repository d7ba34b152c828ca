"""In which precision the parts of a model compute: decided by the processor and by what its layers do, never by a stopwatch.

bf16 is autocast: a part's products are of 8 bits of mantissa and summed in 32; weights, optimiser, losses and metrics stay fp32.
"""

import math
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence

Asked = Literal["auto", "fp32", "bf16"]
Labour = defaultdict[nn.Module, float]

# what `python -m benchmarks.precision` finds on processors that are faster by it: below these a layer's casts cost what its products save
CHANNELS = 16
"""Of a convolution, in and out."""
HIDDEN = 192
"""Of a recurrent layer's state, since its steps are one small product after the other."""
FEATURES = 256
"""Of a linear map, in and out."""
WORK = 1.5e6
"""Multiplications a sample in such layers of one part."""


@dataclass(frozen=True)
class Precision:
    """What was decided."""

    bf16: tuple[str, ...]
    """The parts of the model that compute in bf16, sorted; the others, and all after them, in fp32."""
    reason: str
    """In words."""

    def __str__(self) -> str:
        return f"{', '.join(self.bf16) or 'nothing'} in bf16, since {self.reason}"


def decide(asked: Asked, model: nn.Module, parts: dict[str, nn.Module], sample: Any, device: torch.device) -> Precision:
    """The precision of a model's parts on a device.

    Args:
        asked: `fp32`, `bf16` for all parts, or `auto`: bf16 for a part whose work it makes faster, on a processor that can.
        model: in training or evaluation; it is left as it is.
        parts: of the model, by name.
        sample: a few samples as the model takes them (`inputs`, `lengths`, `present`).
        device: where the model is.
    """
    if asked != "auto":
        return Precision(tuple(sorted(parts)) if asked == "bf16" else (), f"train.precision is {asked}")
    is_faster, processor = hardware(device)
    if not is_faster:
        return Precision((), f"{processor} is no faster by it")
    work = dict.fromkeys(parts, 0.0)
    for name, layers in labour(model, parts, sample).items():
        paying = sum(amount for layer, amount in layers.items() if pays(layer))
        work[name] = paying if 2 * paying >= sum(layers.values()) else 0.0
    chosen = tuple(sorted(name for name, amount in work.items() if amount >= WORK))
    size = "large enough" if chosen else "too small"
    return Precision(chosen, f"{processor} is faster by it, and the layers are {size}")


def hardware(device: torch.device) -> tuple[bool, str]:
    """Whether a device multiplies bf16 faster than fp32, and what to call it."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0), "the GPU"
    able = torch.cpu.get_capabilities()
    # Intel's processors multiply bf16 at twice the speed of fp32, or more, by tiles (AMX) alone, AMD's by AVX-512
    by_vectors = able.get("avx512_bf16", False) and "Intel" not in able.get("cpu_name", "")
    return bool(able.get("amx_bf16", False) or by_vectors), "the processor"


def pays(layer: nn.Module) -> bool:
    """Whether bf16 makes a layer faster, by its kind and size."""
    if isinstance(layer, nn.modules.conv._ConvNd):
        is_plain = layer.groups == 1 and set(layer.dilation) == {1}
        return is_plain and min(layer.in_channels, layer.out_channels) >= CHANNELS
    if isinstance(layer, nn.RNNBase):
        return layer.hidden_size >= HIDDEN
    return isinstance(layer, nn.Linear) and min(layer.in_features, layer.out_features) >= FEATURES


@torch.inference_mode()
def labour(model: nn.Module, parts: dict[str, nn.Module], sample: Any) -> dict[str, Labour]:
    """Part -> its layers and how many multiplications a sample each takes, seen while the model answers."""
    seen: dict[str, Labour] = {name: defaultdict(float) for name in parts}
    samples, was_training = len(sample.label), model.training
    hooks = []
    for name, part in parts.items():
        for layer in part.modules():
            if isinstance(layer, nn.modules.conv._ConvNd | nn.RNNBase | nn.Linear):
                hooks.append(layer.register_forward_hook(partial(note, seen[name], samples)))
    try:
        model.eval()(sample.inputs, sample.lengths, sample.present)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return seen


def note(seen: Labour, samples: int, layer: nn.Module, given: tuple[Any, ...], made: Any) -> None:
    """Add a layer's multiplications for a sample."""
    seen[layer] += multiplications(layer, given[0], made) / samples


def multiplications(layer: nn.Module, given: Any, made: Any) -> float:
    """Of one call of a layer."""
    matrices = sum(value.numel() for value in layer.parameters() if value.dim() > 1)
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        return given.numel() / layer.in_channels * matrices
    if isinstance(layer, nn.modules.conv._ConvNd):
        return made.numel() / layer.out_channels * matrices
    rows = given.data if isinstance(given, PackedSequence) else given
    return math.prod(rows.shape[:-1]) * matrices
