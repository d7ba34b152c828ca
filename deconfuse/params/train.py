"""The `train:` section: how every model is trained, unless its entry under `models:` says otherwise."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from deconfuse.kernel.strict import Strict
from deconfuse.params.launch import Launch


class Train(Strict):
    """The training loop's settings."""

    seeds: Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1, max_length=1000)] = [0]
    """Seeds of initial weights, order of samples, dropout and augmentation: the model is trained once with each, as with that
    one alone, and its figures are means over them. From two on they have an interval over seeds (Bouthillier et al. 2021), a wide one
    below five."""
    epochs: Annotated[int, Field(ge=1, le=100_000)] = 15
    """Passes over the train split; the weights kept are those of the epoch with the lowest validation loss."""
    patience: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Epochs in a row without a lower validation loss after which training ends (Prechelt 1998); null goes through all `epochs`.
    The learning rate's schedule is that of all `epochs` either way."""
    batch_size: Annotated[int, Field(ge=2, le=1_000_000)] = 64
    """Samples a step; at least 2, since batch normalisation cannot learn from one. Batches are as even as can be: the last is not a small
    one, and of an odd number in twos one has three."""
    micro_batch: Annotated[int, Field(ge=2, le=1_000_000)] | None = None
    """Samples that go through the model at a time, where memory is short: a batch of more is learnt in pieces whose gradients are added.
    The step is that of the whole batch, but that batch normalisation, dropout's draws and class weights are those of each piece."""
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    """`sgd` with momentum (Sutskever et al. 2013), `adam` (Kingma & Ba 2015) or `adamw` (Loshchilov & Hutter 2019)."""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Share of its last step that `sgd` adds to the next; the other optimisers do not read it."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 3e-3
    """Peak learning rate, per step; `sgd` mostly needs a larger one than `adam` and `adamw`."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate goes on from its peak: to 0 by half a cosine (Loshchilov & Hutter 2017) or a straight line, or not at all."""
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of all steps in which the learning rate climbs from 0 to its peak (Goyal et al. 2017)."""
    weight_decay: Annotated[float, Field(ge=0, le=10)] = 0.01
    """L2 regularisation of matrices and kernels: with `adamw` decoupled, so that a step takes learning_rate * weight_decay of each weight;
    with `sgd` and `adam` weight_decay * weight is added to its gradient, the derivative of weight_decay / 2 * weight squared."""
    clip: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Largest Euclidean norm of a step's gradient over all weights; a longer one is made so long (Pascanu et al. 2013). null leaves it."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the past in an exponential moving average of the weights, taken each step, that is validated, kept and served in place of
    the weights themselves (Polyak & Juditsky 1992), such as 0.99 or 0.999; in the first steps it is lower. 0 keeps no average."""
    l1: Annotated[float, Field(ge=0, le=10)] = 0.0
    """L1 regularisation of matrices and kernels: factor of the sum of their magnitudes in the loss (Tibshirani 1996)."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced` weighs each sample in the loss by 1 / how often its class is in the train split, so that rare classes count as much
    as frequent ones (King & Zeng 2001), for `multi_label` each
    class's yes as much as its no; the validation loss that chooses the epoch stays unweighted."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability mass spread over all classes (Szegedy et al. 2016), of a binary cross-entropy over yes and no."""
    reconstruction: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """Weight in the loss of the mean squared error between what an encoder such as `ddnet` was given and what it gives back, in units of
    the variance over the train split; it counts in the validation loss that chooses the epoch, too. At 1000 the encoder is as good as an
    auto-encoder (Hinton & Salakhutdinov 2006), while `adam` and `adamw` still train the linear maps after it on the labels."""
    modality_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Probability that a modality of a sample is hidden in training, never the last one present (Neverova et al. 2015)."""
    mixup: Annotated[float, Field(ge=0, le=100)] = 0.0
    """Parameter alpha of the Beta(alpha, alpha) distribution of shares in which two samples and their labels are mixed, all modalities
    alike; 0 mixes none (Zhang et al. 2018, who take 0.1 to 0.4). Of two texts one is taken whole, as often as its share."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`bf16` computes encoders and fusion in bfloat16, by autocast, on 2 threads up to twice as fast; weights, optimiser, losses and
    metrics stay fp32. `auto` takes it where the processor is faster by it (a GPU of capability 8.0, a CPU with AMX, one of AMD's with
    avx512_bf16), for those parts whose layers are of a kind and size to gain by it, and lets a GPU do the rest in TF32; `fp32` means
    fp32."""
    resident: Annotated[float, Field(ge=0, le=1e6)] | None = None
    """GiB of arrays that may lie in memory as a whole, a GPU's where the model is on one; what goes beyond, the largest first, is read
    from disk batch by batch, ahead of its use. null is half of what is free on a GPU, a quarter of it in main memory. The weights do
    not depend on it."""
    compile: bool = False
    """Let torch's compiler make code for the model's training, of all parts but recurrent ones; it takes half a minute and more to begin.
    On a CPU it is rarely faster. Refused where several processes share a model's batches."""
    cuda_graph: bool = False
    """Record the kernels of a step once and replay them (CUDA graphs): small models are many times as fast on a GPU. Models with recurrent
    layers are not recorded, nor is anything on a CPU; a line says so."""
    diagnose: bool = False
    """Measure at the first step and at the last of each epoch how each layer learns: norms of gradient and weights, the step's share of the
    weights, spread of what it gives, dead units, checkerboards. It is in `diagnosis.csv` beside the weights, which do not depend on it, and
    in the report. Refused where several processes share a model's batches."""
    checkpoint: Annotated[float, Field(ge=0, le=1e6)] = 60.0
    """Seconds after which the next step's end saves all that an interrupted training needs to go on, in `data/checkpoints`; 0 saves every
    step. The weights do not depend on it, nor on an interruption."""
    threads: Annotated[int, Field(ge=1, le=1024)] = 1
    """CPU threads of each operation; results are the same bytes only for the same number. On the other cores a model's encoders work side
    by side, which changes no byte."""
    launch: Launch = Launch()
    """Several processes, GPUs and machines for one model."""

    @field_validator("seeds")
    @classmethod
    def each_once(cls, seeds: list[int]) -> list[int]:
        twice = sorted({seed for seed in seeds if seeds.count(seed) > 1})
        if twice:
            raise ValueError(f"the seed {twice[0]} stands there twice; the same seed gives the same model")
        return sorted(seeds)
