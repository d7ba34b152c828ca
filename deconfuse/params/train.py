"""The `train:` section: how every model is trained, unless its entry under `models:` says otherwise."""

from typing import Annotated, Literal

from pydantic import Field

from deconfuse.params.strict import Strict


class Train(Strict):
    """The training loop's settings."""

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Seed of initial weights, order of samples and dropout."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 15
    """Passes over the train split; the weights kept are those of the epoch with the lowest validation loss."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 64
    """Samples a step; at least 2, since batch normalisation cannot learn from one."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 3e-3
    """Peak learning rate of AdamW (Loshchilov & Hutter 2019)."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.01
    """AdamW's decoupled weight decay, on matrices and kernels only."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps in which the learning rate climbs from 0 to its peak; then it falls to 0 as a half cosine."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability mass spread over all classes (Szegedy et al. 2016)."""
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a modality of a sample is hidden in training, never the last one present (Neverova et al. 2015)."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads; results are the same bytes only for the same number."""
