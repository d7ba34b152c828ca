"""Networks that were trained elsewhere, by name or from disk; nothing is read that could run code.

The libraries, and torch, are imported only where a network is asked for: each takes seconds.
"""

import importlib
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from deconfuse.kernel.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor, nn

Library = Literal["torchvision", "timm", "transformers"]
Floats = tuple[float, ...]

# options that all who use these networks share
LibraryOption = Annotated[Library, Field(description="Where the network comes from: transformers for texts, the others for pictures.")]
NetworkOption = Annotated[
    str,
    Field(min_length=1, description="Name in the library (of transformers: on its hub), or for timm and transformers a local folder."),
]
PathOption = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    Field(description="Weights on disk (.safetensors, or a state dict of torch), for pictures only; null takes the library's own."),
]
SizeOption = Annotated[
    Annotated[int, Field(ge=1, le=4096)] | None,
    Field(description="Side in pixels that pictures are resized to, for pictures only; null is what the network was trained with."),
]


@dataclass(frozen=True)
class Trained:
    """A network for pictures, and what the pictures were like that it was trained with."""

    network: "nn.Module"
    """(B, 3, side, side) to features (B, size); its classifier is gone."""
    size: int
    """Number of features."""
    side: int
    """Height and width in pixels."""
    mean: Floats
    """Of each channel, values being 0 to 1."""
    deviation: Floats
    """Of each channel, values being 0 to 1."""


def pictures(library: Library, network: str, path: str | None, side: int | None, key: str) -> Trained:
    """A network for pictures.

    Args:
        library: torchvision or timm.
        network: its name there, or for timm a folder with `config.json` and weights.
        path: its weights on disk, `.safetensors` or a state dict that torch saved; None takes the library's own.
        side: height and width of the pictures; None is what it was trained with.
        key: what the params call it, for messages.

    Raises UserError.
    """
    makers: dict[str, Callable[[ModuleType, str, bool], Any]] = {"torchvision": from_torchvision, "timm": from_timm}
    if library not in makers:
        raise UserError(f"{key}: `library: {library}` has networks for texts; for pictures choose torchvision or timm")
    module = package(library, key)
    with told(key, library, network):
        model, mean, deviation, trained_side = makers[library](module, network, path is None)
    if path is not None:
        load_weights(model, Path(path), key)
    side = trained_side if side is None else side
    return Trained(model, features(model, side, key), side, tuple(mean), tuple(deviation))


def from_torchvision(module: ModuleType, network: str, is_trained: bool) -> tuple["nn.Module", Floats, Floats, int]:
    from torch import nn

    weights = module.models.get_model_weights(network).DEFAULT
    model = module.models.get_model(network, weights=None)
    linear = [(name, layer) for name, layer in model.named_modules() if isinstance(layer, nn.Linear)]
    if getattr(model, "aux_logits", False) or not linear:
        raise ValueError("it has not one linear classifier at its end; choose another network")
    if is_trained:
        # the safe way to load is not torchvision's own default
        model.load_state_dict(weights.get_state_dict(progress=False, check_hash=True, weights_only=True))
    model.set_submodule(linear[-1][0], nn.Identity())
    seen = weights.transforms()
    return model, seen.mean, seen.std, seen.crop_size[0]


def from_timm(module: ModuleType, network: str, is_trained: bool) -> tuple["nn.Module", Floats, Floats, int]:
    named = f"local-dir:{network}" if Path(network).is_dir() else network
    model = module.create_model(named, pretrained=is_trained, num_classes=0)
    seen = model.pretrained_cfg
    return model, seen["mean"], seen["std"], seen["input_size"][-1]


def load_weights(model: "nn.Module", path: Path, key: str) -> None:
    """Load a state dict; that of the classifier, which is gone, may be among it."""
    import torch
    from safetensors.torch import load_file

    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
        missing, left = model.load_state_dict(state, strict=False)
    except Exception as error:  # noqa: BLE001  a damaged file can raise anything
        raise UserError(f"{key}: `path: {path}` cannot be loaded: {summary(error)}") from None
    # weights of a deeper network can hold all of a flatter one's names: more than one layer too many is another network
    if missing or len({name.rpartition(".")[0] for name in left}) > 1:
        wrong = ", ".join([*missing, *left][:3])
        raise UserError(f"{key}: `path: {path}` holds the weights of another network ({wrong} ...); name theirs in `network`")


def features(model: "nn.Module", side: int, key: str) -> int:
    """Number of features that a network gives for a picture. Raises UserError where it cannot read one of that side."""
    import torch

    try:
        with torch.inference_mode():
            return model.eval()(torch.zeros(1, 3, side, side)).flatten(1).shape[1]
    except (RuntimeError, AssertionError, ValueError) as error:
        raise UserError(f"{key}: the network cannot read pictures of {side} x {side} ({summary(error)}); change `size`") from None
    finally:
        model.train()


def resized(x: "Tensor", side: int) -> "Tensor":
    """Pictures (B, C, H, W) as (B, 3, side, side), grey ones three times."""
    from torch.nn import functional as F

    scaled = x if x.shape[-2:] == (side, side) else F.interpolate(x, (side, side), mode="bilinear", antialias=True)
    return scaled.expand(-1, 3, -1, -1)


def texts(network: str, key: str) -> Any:
    """A network of `transformers` from token ids to states, by its name on the hub or its folder. Raises UserError."""
    import torch

    transformers = package("transformers", key)
    # its bar and its table of weights go to logs; what matters of the table is an error here
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    options = {"dtype": torch.float32, "trust_remote_code": False, "output_loading_info": True}
    with told(key, "transformers", network):
        model, loaded = transformers.AutoModel.from_pretrained(network, **options)
    missing = sorted(name for name in loaded["missing_keys"] if "pooler" not in name)
    if missing:
        raise UserError(
            f"{key}: `network: {network}` lacks weights ({', '.join(missing[:3])}); they would be random numbers; take a whole one"
        )
    # of a translator, the half that reads
    reader = model.get_encoder() if model.config.is_encoder_decoder else model
    if hasattr(reader, "pooler"):
        # an extra layer on the first state, which would never learn
        reader.pooler = None
    return reader.train()


class Pieces:
    """The tokenizer that belongs to a network of `transformers`, by the network's name on the hub or its folder.

    Raises UserError.
    """

    def __init__(self, network: str, key: str) -> None:
        transformers = package("transformers", key)
        with told(key, "transformers", network):
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(network, trust_remote_code=False)
        self.vocabulary = len(self.tokenizer)
        # None where the tokenizer can spell whatever comes
        self.unknown: int | None = self.tokenizer.unk_token_id

    def __call__(self, texts: list[str | None], limit: int) -> list[list[int]]:
        """Token ids of each text, the marks of its begin and end included, at most `limit`; a missing text is an empty one."""
        if not texts:
            return []
        return self.tokenizer([text or "" for text in texts], truncation=True, max_length=limit)["input_ids"]

    def spelled(self, text: str, limit: int) -> list[str]:
        """The pieces themselves."""
        return self.tokenizer.convert_ids_to_tokens(self([text], limit)[0])


def package(name: Library, key: str) -> ModuleType:
    """Import a library. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:
        raise UserError(f"{key}: {name} cannot be imported ({summary(error)}); install it: pip install 'deconfuse[pretrained]'") from None


@contextmanager
def told(key: str, library: str, network: str) -> Generator[None]:
    """Turn what a library raises over a wrong name, a damaged folder or a failed download into a UserError."""
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise UserError(
            f"{key}: {library} cannot give `network: {network}` ({summary(error)}); correct the name, see that the first download has a "
            "connection, or take the network from disk"
        ) from None


def summary(error: Exception) -> str:
    """The first line of an error."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
