"""All that changes a batch in training, put together from a model's params."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.lookup import part
from deconfuse.params.models import Model as Entry
from deconfuse.regularisation.mixup import mixup


class Augment:
    """The augmentations of each modality in the order of the params, then mixup.

    Args:
        entry: the checked entry of `models:`.
        alpha: of mixup; 0 for none.
        specs: modality -> its `spec.json`.
        mixable: gives labels as floats that can be mixed.
        key: where the entry stands in params, for messages.
    """

    def __init__(self, entry: Entry, alpha: float, specs: dict[str, dict], mixable: Callable[[Tensor], Tensor], key: str) -> None:
        check(entry, {name: spec["layout"] for name, spec in specs.items()}, key)
        self.parts = {
            name: [part("augmentation", chosen.name)(fill(specs[name], name, key), **chosen.arguments()) for chosen in entry.augment[name]]
            for name in sorted(entry.augment)
        }
        self.tokens = {name for name in entry.encoders if specs[name]["layout"] == "tokens"}
        self.alpha, self.mixable = alpha, mixable

    def __call__(self, batch: Any, generator: torch.Generator) -> Any:
        """The batch as the model sees it; with mixup its labels are mixed too."""
        inputs = dict(batch.inputs)
        for name, augmentations in self.parts.items():
            for augmentation in augmentations:
                inputs[name] = augmentation(inputs[name], batch.lengths.get(name), generator)
        changed = replace(batch, inputs=inputs)
        return changed if self.alpha == 0 else mixup(changed, self.alpha, self.mixable, self.tokens, generator)


def fill(spec: dict[str, Any], name: str, key: str) -> float:
    """The value of a modality's array that tells nothing. Raises UserError where its token ids have none."""
    value = spec["unknown"] if spec["layout"] == "tokens" else spec["mean"]
    if value is None:
        raise UserError(f"{key}.augment.{name}: the tokenizer of embed.{name} has no id for the unknown; take it out")
    return float(value)


def check(entry: Entry, layouts: dict[str, str], key: str) -> None:
    """Raise UserError where an augmentation is for a modality that the model does not read, or for another layout than it has."""
    for modality, chain in entry.augment.items():
        where = f"{key}.augment.{modality}"
        if modality not in entry.encoders:
            raise UserError(f"{where}: the model reads no modality {modality!r}; it reads: {', '.join(entry.encoders)}")
        for chosen in chain:
            changes = part("augmentation", chosen.name).layouts
            if layouts[modality] not in changes:
                raise UserError(f"{where}: {chosen.name!r} changes {' or '.join(changes)}, but embed.{modality} gives {layouts[modality]}")
