"""Pictures, clips and texts as the features of a frozen pretrained network."""

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from pydantic import Field

from deconfuse import networks
from deconfuse.embeddings import Embedding, Values
from deconfuse.embeddings._padded import padded
from deconfuse.kernel.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 32


class Features(Embedding):
    """What a network of torchvision or timm gives for a picture (one frame) or for each frame of a clip, and one of transformers
    for each word piece of a text: the layer before its classifier, the network as it was trained.

    Pictures are resized to a square, grey ones taken three times, and normalised as the network's own were.
    """

    layouts = {"image": "frames", "text": "frames", "video": "frames"}
    is_slow = True

    def __init__(
        self,
        schema: dict[str, Any],
        *,
        library: networks.LibraryOption = "torchvision",
        network: networks.NetworkOption = "resnet18",
        path: networks.PathOption = None,
        size: networks.SizeOption = None,
        length: Annotated[
            int, Field(ge=3, le=65_536, description="Word pieces kept of a text, begin and end included, for texts only.")
        ] = 128,
    ) -> None:
        super().__init__(schema)
        key = f"embed.{schema['name']}"
        self.limit, self.longest = length, 1
        if schema["kind"] != "text":
            if schema["shape"][-3] not in (1, 3):
                raise UserError(f"{key}: pictures have {schema['shape'][-3]} channels, but the networks read 3 (or 1, taken three times)")
            self.trained = networks.pictures(library, network, path, size, key)
            self.trained.network.eval()
        elif library != "transformers" or path is not None:
            raise UserError(f"{key}: a text needs `library: transformers`, and `network` for a name or a folder, not `path`")
        else:
            self.pieces, self.reader = networks.Pieces(network, key), networks.texts(network, key).eval()

    def fit(self, train: Values) -> None:
        if self.schema["kind"] == "text":
            self.longest = max([1, *map(len, self.pieces(list(train), self.limit))])

    def restore(self, spec: dict[str, Any]) -> None:
        self.longest = spec["shape"][0]

    def __call__(
        self, values: Values, length: Int[np.ndarray, " N"] | None
    ) -> tuple[Float[np.ndarray, "N T F"], Int[np.ndarray, " N"] | None]:
        if self.schema["kind"] == "text":
            return self.of_texts(*padded(self.pieces(list(values), self.longest), self.longest))
        pictures = np.asarray(values)
        found = self.of_pictures(pictures.reshape(-1, *pictures.shape[-3:])).reshape(len(pictures), -1, self.trained.size)
        return found, None if length is None else np.maximum(length, 1)

    def tokens(self, text: str) -> list[str]:
        return self.pieces.spelled(text, self.longest) if self.schema["kind"] == "text" else []

    def of_pictures(self, pictures: Shaped[np.ndarray, "M C H W"]) -> Float[np.ndarray, "M F"]:
        import torch

        mean, deviation = (torch.tensor(three)[:, None, None] for three in (self.trained.mean, self.trained.deviation))

        def features(x: "Tensor") -> "Tensor":
            return self.trained.network((networks.resized(x.float() / 255, self.trained.side) - mean) / deviation).flatten(1)

        return in_batches(features, pictures)

    def of_texts(
        self, tokens: Int[np.ndarray, "N T"], steps: Int[np.ndarray, " N"]
    ) -> tuple[Float[np.ndarray, "N T F"], Int[np.ndarray, " N"]]:
        there = np.arange(tokens.shape[1]) < steps[:, None]

        def states(ids: "Tensor", mask: "Tensor") -> "Tensor":
            return self.reader(input_ids=ids.long(), attention_mask=mask.long()).last_hidden_state

        # what a network says of padding is no feature of the text
        return in_batches(states, tokens, there) * there[..., None], steps


def in_batches(network: Any, *arrays: np.ndarray) -> Float[np.ndarray, "N ..."]:
    """Call a network without gradients on a few samples at a time: its inner maps are much larger than what comes out."""
    import torch

    with torch.inference_mode():
        pieces = [
            network(*(torch.from_numpy(np.array(array[start : start + BATCH])) for array in arrays))
            for start in range(0, len(arrays[0]), BATCH)
        ]
        return torch.cat(pieces).numpy()
