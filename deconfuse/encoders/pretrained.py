"""Networks that were trained elsewhere, trained on."""

from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from deconfuse import networks
from deconfuse.encoders import Encoder, Out, Spec, valid
from deconfuse.kernel.errors import UserError

KEY = "encoder `pretrained`"


class Pretrained(Encoder):
    """A network of torchvision or timm for pictures, or of transformers for texts, fine-tuned; its features are mapped to tokens.

    A picture becomes one token, a text one for each word piece. Pictures come normalised by the train split's statistics,
    which stand in for those that the network was trained with. A text's ids must be those of the network's own tokenizer:
    `embed` it as `wordpieces` of the same network.
    """

    layouts = ("image", "tokens")
    network: Any

    def __init__(
        self,
        spec: Spec,
        width: int,
        *,
        library: networks.LibraryOption = "torchvision",
        network: networks.NetworkOption = "resnet18",
        path: networks.PathOption = None,
        size: networks.SizeOption = None,
    ) -> None:
        super().__init__()
        if spec.layout == "tokens":
            self.side = None
            model = reader(spec, library, network, path)
            self.network, inputs = model, model.config.hidden_size
        else:
            if spec.shape[0] not in (1, 3):
                raise UserError(f"{KEY}: pictures have {spec.shape[0]} channels, but the networks read 3 (or 1, taken three times)")
            trained = networks.pictures(library, network, path, size, KEY)
            self.side, self.network, inputs = trained.side, trained.network, trained.size
        self.project = nn.Linear(inputs, width)

    @property
    def vectors(self) -> nn.Embedding | None:
        return self.network.get_input_embeddings() if self.side is None else None

    def forward(self, x: Shaped[Tensor, "B ..."], length: Int[Tensor, " B"] | None = None) -> tuple[Float[Tensor, "B L D"], Out]:
        if self.side is None:
            mask = valid(length, x, x.shape[1])
            states = self.network(input_ids=torch.where(mask, x, 0), attention_mask=mask.long()).last_hidden_state
            return self.project(states), {"mask": mask}
        tokens = self.project(self.network(networks.resized(x, self.side)).flatten(1))[:, None]
        return tokens, {"mask": torch.ones(tokens.shape[:2], dtype=torch.bool, device=x.device)}


def reader(spec: Spec, library: str, network: str, path: str | None) -> Any:
    """A network for texts that fits the token ids. Raises UserError."""
    if library != "transformers" or path is not None:
        raise UserError(f"{KEY}: a text needs `library: transformers`, and `network` for a name or a folder, not `path`")
    model = networks.texts(network, KEY)
    known, longest = model.config.vocab_size, getattr(model.config, "max_position_embeddings", spec.shape[0])
    if spec.vocabulary > known:
        raise UserError(
            f"{KEY}: the text has {spec.vocabulary} token ids, {network!r} knows {known}; embed it as wordpieces of {network!r}"
        )
    if spec.shape[0] > longest:
        raise UserError(
            f"{KEY}: {network!r} reads {longest} tokens at most, but the text has {spec.shape[0]}; lower the embedding's `length`"
        )
    return model
