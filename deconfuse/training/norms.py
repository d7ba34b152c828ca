"""How large the gradient of each part of a model is: a modality whose encoder gets hardly any is not learnt."""

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deconfuse.processes.sharded import whole


def parts(model: nn.Module) -> list[str]:
    """The parts of a model that have parameters to learn: its children's names, of a ModuleDict those of its entries."""
    return sorted({part(name) for name, weight in model.named_parameters() if weight.requires_grad})


def part(name: str) -> str:
    """The part that a parameter belongs to: `encoders.image.layers.0.weight` to `image`, `head.bias` to `head`."""
    steps = name.split(".")
    return steps[1] if steps[0] == "encoders" else steps[0]


def norms(model: nn.Module) -> Float[Tensor, " P"]:
    """The L2 norm of the gradient of each part, in the order of `parts`; nothing waits for a GPU."""
    gradients: dict[str, list[Tensor]] = {name: [] for name in parts(model)}
    for name, weight in model.named_parameters():
        if weight.grad is not None:
            gradients[part(name)].append(weight.grad)
    return torch.stack([whole(nn.utils.get_total_norm(each)) for each in gradients.values()])


def named(model: nn.Module, values: Float[Tensor, " P"]) -> dict[str, float]:
    """`norms` as columns of the history: that of the whole gradient, then each part's."""
    each = values.tolist()
    return {"gradient_norm": math.hypot(*each), **{f"gradient_norm/{name}": one for name, one in zip(parts(model), each, strict=True)}}
