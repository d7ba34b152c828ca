"""What a training draws by chance, from (seed, epoch, step) alone: neither a resume nor the number of earlier draws shifts it."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def stream(seed: int, epoch: int, step: int) -> int:
    """One seed for each (seed, epoch, step); odd multipliers keep neighbours apart (Steele et al. 2014, SplitMix).

    Steps from 0 on are for dropout, -1 is for the samples' order, the others below 0 for augmentation.
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + step * 0x94D049BB133111EB) % 2**64
    return mixed ^ (mixed >> 31)


def sow(seed: int, device: torch.device) -> None:
    """Seed what modules draw from on a device.

    `torch.manual_seed` seeds every kind of device, and for each that nothing has used yet it first writes down the call stack: a
    quarter of a millisecond a step, as long as a small model's whole step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def order(samples: int, seed: int, epoch: int) -> Int[Tensor, " N"]:
    """The samples' order in an epoch."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(stream(seed, epoch, -1)))


def hide(present: dict[str, Bool[Tensor, " B"]], share: float) -> dict[str, Bool[Tensor, " B"]]:
    """Hide each modality of each sample with probability `share`; a sample that would lose all keeps all."""
    if share == 0:
        return present
    left = {name: there & (torch.rand(there.shape, device=there.device) >= share) for name, there in present.items()}
    lost = ~torch.stack(list(left.values())).any(0)
    return {name: torch.where(lost, present[name], there) for name, there in left.items()}
