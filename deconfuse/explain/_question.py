"""A model's answers to some samples, as a function that can be differentiated by all that it reads."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deconfuse.model.dataset import Dataset
from deconfuse.model.multimodal import Model

Layout = Literal["image", "video", "frames", "tokens"]


class Question(nn.Module):
    """Why does the model answer some samples as it does?

    What is differentiated by, and moved from a baseline to its value, are the values of a modality, or the vectors of its token ids. The
    baseline is the train split's mean for values, and padding for tokens.

    Args:
        model: computes in fp32; a copy that no one else uses, since methods hang hooks on its parts.
        batch: the samples.
        weight: what of the model's outputs is explained: their sum, so weighted, in each sample.
    """

    tables: dict[str, nn.Embedding]

    def __init__(self, model: Model, batch: Dataset, weight: Float[Tensor, "B K"]) -> None:
        super().__init__()
        self.model, self.batch, self.weight = model, batch, weight
        self.modalities = model.modalities
        vectors = {name: model.encoders[name].vectors for name in self.modalities}
        self.tables = {name: table for name, table in vectors.items() if isinstance(table, nn.Embedding)}
        self.inputs = tuple(self.start(name) for name in self.modalities)
        self.baselines = tuple(self.baseline(name, x) for name, x in zip(self.modalities, self.inputs, strict=True))
        # methods repeat every tensor along with the samples, but no tensor of a dict
        self.places = [(kind, name) for kind in ("inputs", "lengths", "present") for name in sorted(getattr(batch, kind))]
        self.beside = (*(getattr(batch, kind)[name] for kind, name in self.places), weight)

    def start(self, name: str) -> Float[Tensor, "B ..."]:
        """The values of a modality, or the vectors of its tokens."""
        x = self.batch.inputs[name]
        return self.tables[name](x.long()).detach() if name in self.tables else x.float()

    def baseline(self, name: str, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        if name in self.tables:
            table = self.tables[name]
            return table.weight[table.padding_idx or 0].detach().expand_as(x)
        return torch.full_like(x, self.model.statistics[name][0])

    def forward(self, *tensors: Tensor) -> Float[Tensor, " B"]:
        """The answer, from `inputs` or others in their place, and `beside`."""
        given = dict(zip(self.modalities, tensors, strict=False))
        *beside, weight = tensors[len(self.modalities) :]
        parts: dict[str, dict[str, Tensor]] = {"inputs": {}, "lengths": {}, "present": {}}
        for (kind, name), x in zip(self.places, beside, strict=True):
            parts[kind][name] = x
        values = {name: x for name, x in given.items() if name not in self.tables}
        with ExitStack() as stack:
            for name, table in self.tables.items():
                stack.enter_context(giving(table, given[name]))
            # cuDNN's recurrent networks have a gradient in training only
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            logits, _ = self.model(parts["inputs"] | values, parts["lengths"], parts["present"])
        return (logits * weight).sum(1)

    def layout(self, name: str) -> Layout:
        if name in self.tables:
            return "tokens"
        return {5: "video", 4: "image", 3: "frames"}[self.inputs[self.modalities.index(name)].dim()]

    def cells(self, name: str) -> tuple[int, ...]:
        """How many cells a sample has along each axis."""
        return tuple(self.folded(name, self.inputs[self.modalities.index(name)]).shape[1:])

    def folded(self, name: str, x: Float[Tensor, "B ..."]) -> Float[Tensor, "B ..."]:
        """Numbers of the shape of an input as numbers of its cells: summed over the channels of a pixel, the features of a token."""
        axis = {"image": 1, "video": 2, "tokens": 2}.get(self.layout(name))
        return x if axis is None else x.sum(axis)

    def valid(self, name: str) -> Bool[Tensor, "B ..."]:
        """Which cells are there: of samples that have the modality, and of clips and tokens up to their length (frames may be read as a
        picture, silence at their end included)."""
        shape = self.cells(name)
        ones = [1] * (len(shape) - 1)
        there = self.batch.present[name].view(-1, 1, *ones).expand(-1, *shape)
        if self.layout(name) not in ("video", "tokens") or name not in self.batch.lengths:
            return there
        within = torch.arange(shape[0], device=there.device) < self.batch.lengths[name][:, None]
        return there & within.view(*within.shape, *ones)


@contextmanager
def giving(table: nn.Embedding, vectors: Float[Tensor, "B T E"]) -> Generator[None]:
    """While it lasts, the table gives these vectors, whatever ids it is asked for."""
    hook = table.register_forward_hook(lambda *_: vectors)
    try:
        yield
    finally:
        hook.remove()


def still(model: Model) -> Model:
    """A copy that computes in fp32 throughout."""
    copy = deepcopy(model).eval()
    copy.bf16 = frozenset()
    return copy
