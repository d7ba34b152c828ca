"""How far what an auto-encoder gives back is from what it was given."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import names, part
from deconfuse.params.models import Model as Entry


def squared_errors(out: dict[str, dict[str, Tensor]], present: dict[str, Bool[Tensor, " B"]]) -> Float[Tensor, " 2"]:
    """Sum and number of mean squared errors, one for each sample of each modality that is there and that its encoder gives back.

    In units of the modality's variance in the train split: to give back its mean costs about 1.

    Args:
        out: of a model; `out[modality]` has `input`, which its encoder was given, and, where that one reconstructs, `reconstruction`.
        present: modality -> which samples have it.
    """
    total = torch.zeros(2, device=next(iter(present.values())).device)
    for name, there in present.items():
        if "reconstruction" in out[name]:
            given = out[name]["input"]
            # where, not a product: NaN times zero is NaN
            difference = torch.where(there.view(-1, *[1] * (given.dim() - 1)), out[name]["reconstruction"] - given, 0.0)
            total = total + torch.stack([difference.square().flatten(1).mean(1).sum(), there.sum()])
    return total


def check(entry: Entry, weight: float, key: str) -> None:
    """Raise UserError where a model is to learn a reconstruction and no encoder of it gives one.

    Args:
        entry: the entry of `models:`.
        weight: its `train.reconstruction`, its own or the common one.
        key: where the entry stands in params, for messages.
    """
    used = [chosen.name for chosen in entry.encoders.values()]
    able = [name for name in names("encoders") if part("encoders", name).reconstructs]
    if weight > 0 and not set(used) & set(able):
        raise UserError(
            f"{key}.train.reconstruction: it is {weight:g}, but {', '.join(used)} gives no reconstruction; "
            f"set it to 0, or encode by {' or '.join(able)}"
        )
