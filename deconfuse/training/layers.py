"""The layers of a model, as a diagnosis tells of them: what has a weight, and of which kind it is."""

import re
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from deconfuse.training.norms import part

# what is first found counts: a transposed convolution is a convolution to torch
KINDS: tuple[tuple[type[nn.Module], str], ...] = (
    (_ConvTransposeNd, "transposed_conv"),
    (_ConvNd, "conv"),
    (nn.Linear, "linear"),
    (nn.RNNBase, "recurrent"),
    (nn.Embedding, "embedding"),
    (_NormBase, "norm"),
    (nn.LayerNorm, "norm"),
    (nn.GroupNorm, "norm"),
    (nn.RMSNorm, "norm"),
)


@dataclass(frozen=True)
class Layer:
    """A module that has weights of its own, biases left out."""

    name: str
    """In the model, as the files of weights have it."""
    module: nn.Module
    weights: tuple[nn.Parameter, ...]

    @property
    def part(self) -> str:
        """The encoder that it belongs to, by its modality; else `fusion` or `head`."""
        return part(self.name)

    @property
    def kind(self) -> str:
        """conv, transposed_conv, linear, recurrent, embedding, norm or other; the project's own kinds of these by their class's name."""
        found = next((kind for base, kind in KINDS if isinstance(self.module, base)), "other")
        own = type(self.module)
        is_own = found != "other" and own.__module__.startswith("deconfuse.")
        return re.sub(r"(?<!^)(?=[A-Z])", "_", own.__name__).lower() if is_own else found

    @property
    def maps(self) -> bool:
        """Whether it makes features of features by a matrix: neither a norm nor single vectors."""
        return self.kind not in ("norm", "other")

    @property
    def size(self) -> int:
        """Number of its weights."""
        return sum(value.numel() for value in self.weights)


def layers(model: nn.Module) -> list[Layer]:
    """All that learn, in the order in which the model lists them."""
    found = []
    for name, module in model.named_modules():
        own = [(key, value) for key, value in module.named_parameters(recurse=False) if value.requires_grad]
        weights = tuple(value for key, value in own if "bias" not in key)
        if weights:
            found.append(Layer(name, module, weights))
    return found
