"""Pairs of samples mixed, in all their modalities and in their labels at once."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor


def mixup(batch: Any, alpha: float, mixable: Callable[[Tensor], Tensor], tokens: set[str], generator: torch.Generator) -> Any:
    """Every sample becomes a share of itself and the rest of another one, its label too (Zhang et al. 2018).

    One share a batch, from Beta(alpha, alpha), and always the larger one for the sample itself: the paper's pairs with their names
    exchanged. A mixture is there with all modalities or not at all, so a pair that has not the same modalities stays as it is.
    Ids of tokens have no mean: of two texts one is taken whole, with probabilities that are the shares. A mixed sequence is as
    long as the longer one; where only one of the two has a step, that one is taken unmixed.

    Args:
        batch: `inputs`, `lengths`, `present`, each by modality, and `label`.
        alpha: above 0; the larger, the more even the shares.
        mixable: gives labels as floats that can be mixed, e.g. shares of each class.
        tokens: the modalities whose arrays hold ids.
        generator: on the batch's device.
    """
    share, partner = drawn_share(alpha, generator), partners(batch.present, generator)
    inputs, lengths = {}, dict(batch.lengths)
    for name, x in batch.inputs.items():
        length = batch.lengths.get(name)
        if name in tokens:
            source = chosen(partner, share, generator)
            inputs[name] = x[source]
            longest = None if length is None else length[source]
        else:
            inputs[name] = mixed(x, x[partner], share, length, None if length is None else length[partner])
            longest = None if length is None else torch.maximum(length, length[partner])
        if longest is not None:
            lengths[name] = longest
    label = mixable(batch.label)
    return replace(batch, inputs=inputs, lengths=lengths, label=torch.lerp(label[partner], label, share))


def drawn_share(alpha: float, generator: torch.Generator) -> float:
    """The larger of the two shares (0.5 to 1): the distribution's inverse at a uniform number, since torch's own takes no generator."""
    # 0.14 s that a training without mixup saves
    from scipy.special import betaincinv

    draw = on_cpu(generator)
    share = float(betaincinv(alpha, alpha, float(torch.rand((), generator=draw, dtype=torch.float64))))
    return max(share, 1 - share)


def on_cpu(generator: torch.Generator) -> torch.Generator:
    """The generator itself, or one of the CPU in a GPU's place: a number that is read back from a GPU makes every step wait for it."""
    if generator.device.type == "cpu":
        return generator
    return torch.Generator().manual_seed((generator.initial_seed() + 1) % 2**64)


def partners(present: dict[str, Bool[Tensor, " B"]], generator: torch.Generator) -> Int[Tensor, " B"]:
    """For each sample the place of another one with the same modalities, or its own."""
    there = torch.stack(list(present.values()), 1)
    partner = torch.randperm(len(there), generator=generator, device=generator.device)
    return torch.where((there == there[partner]).all(1), partner, torch.arange(len(there), device=generator.device))


def chosen(partner: Int[Tensor, " B"], share: float, generator: torch.Generator) -> Int[Tensor, " B"]:
    """Each sample's own place with probability `share`, else its partner's."""
    own = torch.rand(partner.shape, generator=generator, device=generator.device) < share
    return torch.where(own, torch.arange(len(partner), device=generator.device), partner)


def mixed(
    x: Shaped[Tensor, "B ..."],
    other: Shaped[Tensor, "B ..."],
    share: float,
    length: Int[Tensor, " B"] | None,
    ends: Int[Tensor, " B"] | None,
) -> Float[Tensor, "B ..."]:
    """The mean of `x` and `other` with the weights `share` and the rest; of one alone where only that is within its length."""
    if length is None or ends is None:
        return torch.lerp(other.float(), x.float(), share)
    step = torch.arange(x.shape[1], device=x.device)
    form = (*x.shape[:2], *[1] * (x.dim() - 2))
    own, theirs = (step < length[:, None]).view(form), (step < ends[:, None]).view(form)
    # where, not a product: beyond the end anything may stand, and NaN times zero is NaN
    total = share * torch.where(own, x.float(), 0.0) + (1 - share) * torch.where(theirs, other.float(), 0.0)
    weight = share * own + (1 - share) * theirs
    return total / torch.where(weight > 0, weight, 1.0)
