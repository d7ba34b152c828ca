"""What stands in for a fusion where there is but one modality."""

from jaxtyping import Bool, Float
from torch import Tensor

from deconfuse.fusion import Fusion, Out, pooled


class Alone(Fusion):
    """The mean token of the only modality."""

    def __init__(self, modality: str, width: int) -> None:
        super().__init__()
        self.modality = modality
        self.out_dim = width

    def forward(self, tokens: dict[str, Float[Tensor, "B _ D"]], masks: dict[str, Bool[Tensor, "B _"]]) -> tuple[Float[Tensor, "B O"], Out]:
        return pooled(tokens[self.modality], masks[self.modality]), {}
