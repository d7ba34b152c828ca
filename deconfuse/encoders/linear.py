"""One linear map, for features that are good already."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from deconfuse.encoders import Encoder, Out, Spec, valid


class Linear(Encoder):
    """Each valid frame becomes one token by the same linear map: what a frozen network's features need, and the baseline for the rest."""

    layouts = ("frames",)

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        self.project = nn.Linear(spec.shape[-1], width)

    def forward(self, x: Float[Tensor, "B T F"], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        mask = valid(length, x, x.shape[1])
        return self.project(torch.where(mask[..., None], x, 0.0)), {"mask": mask}
