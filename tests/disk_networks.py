"""Tiny networks with random weights, saved as the libraries save trained ones; nothing is fetched."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "one", "two", "##s", "seen", "heard", ",", "!"]


@cache
def folder() -> Path:
    kept = tempfile.TemporaryDirectory(prefix="networks-")
    KEPT.append(kept)
    return Path(kept.name)


# a folder goes when its object does
KEPT: list[Any] = []


@cache
def for_pictures() -> dict[str, Any]:
    """Options of the smallest convolutional network that timm has, its classifier in the file."""
    timm = pytest.importorskip("timm")
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(5)
    # residual branches that begin at 0 would let no gradient into them
    net = timm.create_model("test_resnet", pretrained=False, zero_init_last=False)
    path = folder() / "pictures.safetensors"
    save_file(net.state_dict(), path)
    return {"library": "timm", "network": "test_resnet", "path": str(path), "size": 32}


@cache
def for_texts() -> dict[str, Any]:
    """Options of a BERT of one small layer, with its tokenizer."""
    transformers = pytest.importorskip("transformers")
    import torch

    torch.manual_seed(5)
    place = folder() / "texts"
    place.mkdir()
    (place / "vocab.txt").write_text("\n".join(WORDS))
    # without dropout, so that the same batch gives the same in training
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    transformers.BertModel(config, add_pooling_layer=False).save_pretrained(place)
    transformers.BertTokenizerFast(str(place / "vocab.txt")).save_pretrained(place)
    return {"library": "transformers", "network": str(place)}
