"""The training loop.

It imports nothing of the project: the model, the data (anything with `__len__`, `batch(index)` and, of a batch, `inputs`,
`lengths`, `present`, `label`), the recipe's functions and the function that logs an epoch are passed in.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

Row = dict[str, int | float]
Log = Callable[[Row], None]
VAL_BATCH = 512


class TrainingError(Exception):
    """A model that cannot be trained as it is, with the reason in words."""


@dataclass(frozen=True)
class Recipe:
    """How a model is trained."""

    seed: int
    epochs: int
    batch_size: int
    optimizer: torch.optim.Optimizer
    rate: Callable[[int, int], float]
    """The learning rate at a step (from 0) of so many in all."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Mean loss (a sample) of logits (B, K) and the labels of what the model saw."""
    plain: Callable[[Tensor, Tensor], Tensor]
    """The same without weights and smoothing, so that models with different losses can be compared: the validation loss."""
    measure: str
    """What `score` is: the history calls it `train_<measure>` and `val_<measure>`."""
    score: Callable[[Tensor, Tensor], Tensor]
    """How good the logits are for each sample's label (B,); logged as the mean of a split."""
    modality_dropout: float = 0.0
    """Probability that a modality of a sample is hidden; never the last one present."""
    augment: Callable[[Any, torch.Generator], Any] | None = None
    """Gives the batch that the model sees, all its draws from the generator, which is on the batch's device."""
    penalty: Callable[[], Tensor] | None = None
    """What is added to the loss for the weights as they are."""
    reconstruction: float = 0.0
    """Weight in the loss of the mean of `errors`; 0 leaves it out."""
    errors: Callable[[Any, dict[str, Tensor]], Float[Tensor, " 2"]] | None = None
    """Sum and number of the errors of reconstruction in the model's `out`, by what is present; needed where their weight is not 0."""


@dataclass(frozen=True)
class Fitted:
    """What a training leaves."""

    weights: dict[str, Tensor]
    """The state of the best epoch, on the CPU."""
    best_epoch: int
    """The epoch with the lowest validation loss, from 1."""


def fit(model: nn.Module, train: Any, val: Any, recipe: Recipe, log: Log) -> Fitted:
    """Train a model, and keep the epoch with the lowest validation loss.

    Every random draw derives from (seed, epoch, step), so that neither an interruption nor the number of earlier draws can
    shift it. `log` is called once an epoch with epoch, learning_rate, train_loss, train_<measure>, val_loss, val_<measure>
    (means of a sample; the train ones as seen while learning, penalty and reconstruction left out; the val loss is the recipe's plain
    one) and, where the recipe has a weight for it, val_reconstruction, which then counts with that weight in the lowest loss.

    Raises TrainingError where a parameter gets no gradient, or a loss is not a number.
    """
    best, fitted = math.inf, None
    for epoch in range(1, recipe.epochs + 1):
        row = learn(model, train, recipe, epoch)
        row |= assess(model, val, recipe)
        losses_are_finite(row)
        log(row)
        loss = row["val_loss"] + recipe.reconstruction * row.get("val_reconstruction", 0.0)
        if loss < best:
            best, fitted = loss, Fitted(snapshot(model), epoch)
    if fitted is None:
        raise TrainingError("there was no epoch to train")
    return fitted


def learn(model: nn.Module, train: Any, recipe: Recipe, epoch: int) -> Row:
    """One pass over the train split: epoch, learning_rate (the last step's), train_loss, train_<measure>."""
    model.train()
    steps = math.ceil(len(train) / recipe.batch_size)
    total = score = 0.0
    for step, index in enumerate(order(len(train), recipe.seed, epoch).tensor_split(steps)):
        torch.manual_seed(stream(recipe.seed, epoch, step))
        rate = recipe.rate((epoch - 1) * steps + step, recipe.epochs * steps)
        for group in recipe.optimizer.param_groups:
            group["lr"] = rate
        batch = train.batch(index)
        loss, logits = descend(model, altered(batch, recipe, epoch, step), recipe, is_first=epoch == 1 and step == 0)
        # no float() in here: it would wait for a GPU at every step
        total += loss * len(index)
        score += recipe.score(logits, batch.label).sum()
    return {
        "epoch": epoch,
        "learning_rate": rate,
        "train_loss": float(total) / len(train),
        f"train_{recipe.measure}": float(score) / len(train),
    }


def altered(batch: Any, recipe: Recipe, epoch: int, step: int) -> Any:
    """The batch as the recipe augments it. The draws have a generator of their own: dropout's must not follow the same numbers."""
    if recipe.augment is None:
        return batch
    generator = torch.Generator(batch.label.device).manual_seed(stream(recipe.seed, epoch, -2 - step))
    return recipe.augment(batch, generator)


def descend(model: nn.Module, batch: Any, recipe: Recipe, is_first: bool) -> tuple[Float[Tensor, ""], Float[Tensor, "B K"]]:
    """One step of the optimiser; returns the loss without penalty and reconstruction, and the logits."""
    logits, out = model(batch.inputs, batch.lengths, hide(batch.present, recipe.modality_dropout))
    loss = recipe.loss(logits, batch.label)
    recipe.optimizer.zero_grad()
    # a hidden modality is still given back: its encoder has seen it
    (loss if recipe.errors is None else loss + recipe.reconstruction * mean(recipe.errors(out, batch.present))).backward()
    if is_first:
        # before the penalty, whose gradient reaches every matrix, used or not
        every_parameter_learns(model)
    if recipe.penalty is not None:
        recipe.penalty().backward()
    recipe.optimizer.step()
    return loss.detach(), logits.detach()


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights on the CPU, in the one memory layout that files know."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}


def stream(seed: int, epoch: int, step: int) -> int:
    """One seed for each (seed, epoch, step); odd multipliers keep neighbours apart (Steele et al. 2014, SplitMix).

    Steps from 0 on are for dropout, -1 is for the samples' order, the others below 0 for augmentation.
    """
    mixed = (seed * 0x9E3779B97F4A7C15 + epoch * 0xBF58476D1CE4E5B9 + step * 0x94D049BB133111EB) % 2**64
    return mixed ^ (mixed >> 31)


def order(samples: int, seed: int, epoch: int) -> Int[Tensor, " N"]:
    """The samples' order in an epoch."""
    return torch.randperm(samples, generator=torch.Generator().manual_seed(stream(seed, epoch, -1)))


def hide(present: dict[str, Bool[Tensor, " B"]], share: float) -> dict[str, Bool[Tensor, " B"]]:
    """Hide each modality of each sample with probability `share`; a sample that would lose all keeps all."""
    if share == 0:
        return present
    left = {name: there & (torch.rand(there.shape, device=there.device) >= share) for name, there in present.items()}
    lost = ~torch.stack(list(left.values())).any(0)
    return {name: torch.where(lost, present[name], there) for name, there in left.items()}


def every_parameter_learns(model: nn.Module) -> None:
    """Raise TrainingError where the first gradient left a parameter out."""
    idle = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    if idle:
        raise TrainingError(f"no gradient reaches {', '.join(idle)}; the model does not use them")


def losses_are_finite(row: Row) -> None:
    for key, words in (("train_loss", "training"), ("val_loss", "validation"), ("val_reconstruction", "validation reconstruction")):
        if not math.isfinite(row.get(key, 0.0)):
            raise TrainingError(f"the {words} loss of epoch {row['epoch']} is {row[key]}; a lower learning_rate may help")


@torch.inference_mode()
def assess(model: nn.Module, data: Any, recipe: Recipe) -> Row:
    """A model on the val split: val_loss (plain) and val_<measure>, means of a sample; val_reconstruction where the recipe has one."""
    pieces, errors = [], torch.zeros(2)
    for batch, logits, out in answers(model, data):
        pieces.append(logits)
        if recipe.errors is not None:
            errors = errors + recipe.errors(out, batch.present).cpu()
    logits = torch.cat(pieces)
    label = data.label.to(logits.device)
    row = {"val_loss": float(recipe.plain(logits, label)), f"val_{recipe.measure}": float(recipe.score(logits, label).double().mean())}
    return row if recipe.errors is None else row | {"val_reconstruction": float(mean(errors))}


@torch.inference_mode()
def predict(model: nn.Module, data: Any) -> Float[Tensor, "N K"]:
    """Logits of every sample, in order."""
    return torch.cat([logits for _, logits, _ in answers(model, data)])


def answers(model: nn.Module, data: Any) -> Iterator[tuple[Any, Float[Tensor, "B K"], Any]]:
    """Batch after batch of all samples, in order, with the logits and the `out` that the model gives for it."""
    model.eval()
    for start in range(0, len(data), VAL_BATCH):
        batch = data.batch(slice(start, start + VAL_BATCH))
        yield batch, *model(batch.inputs, batch.lengths, batch.present)


def mean(errors: Float[Tensor, " 2"]) -> Float[Tensor, ""]:
    """Of a sum and a number; 0 of none."""
    return errors[0] / errors[1].clamp(min=1)
