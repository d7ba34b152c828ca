"""The training loop.

Of the project it imports its own parts only (draws, guards, prediction, state): the model, the data (anything with `__len__`,
`batch(index)` and, of a batch, `inputs`, `lengths`, `present`, `label`), the recipe's functions, and what is called after an epoch or
a step are passed in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from deconfuse.draws import hide, order, sow, stream
from deconfuse.guards import TrainingError, Watch, every_parameter_is_optimised, every_parameter_learns, losses_are_finite
from deconfuse.prediction import answers
from deconfuse.state import Row, State

Log = Callable[[Row], None]


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
    patience: int | None = None
    """Epochs in a row without a lower validation loss after which the training ends."""
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


def fit(
    model: nn.Module,
    train: Any,
    val: Any,
    recipe: Recipe,
    log: Log,
    state: State | None = None,
    pause: Callable[[State], None] = lambda state: None,
    say: Callable[[str], None] = print,
) -> State:
    """Train a model, and keep the epoch with the lowest validation loss.

    Every random draw derives from (seed, epoch, step), so that neither an interruption nor the number of earlier draws can
    shift it.

    Args:
        model: its weights as they were drawn, or as they were when `state` was saved; the same is true of the optimiser.
        train: the split that it learns from.
        val: the split that its epoch is chosen on.
        recipe: how it learns.
        log: called once an epoch with epoch, learning_rate, train_loss, train_<measure>, val_loss, val_<measure> (means of a sample;
            the train ones as seen while learning, penalty and reconstruction left out; the val loss is the recipe's plain one) and,
            where the recipe has a weight for it, val_reconstruction, which then counts with that weight in the lowest loss.
        state: where to go on; at the start where it is None.
        pause: called after each step and each epoch, when all is in a state to be saved; it ends the training by raising.
        say: takes a line for the user, where something is not done as it was asked.

    Raises TrainingError where a parameter would not learn, there is no memory left, or a loss, gradient or weight is no number.
    """
    every_parameter_is_optimised(model, recipe.optimizer)
    state = State() if state is None else state
    while state.epoch <= recipe.epochs and not is_spent(state, recipe.patience):
        row = learn(model, train, recipe, state, pause, say)
        row |= assess(model, val, recipe)
        losses_are_finite(row)
        log(row)
        state.close(row, row["val_loss"] + recipe.reconstruction * row.get("val_reconstruction", 0.0), model)
        pause(state)
    if not state.weights:
        raise TrainingError("there was no epoch to train")
    return state


def is_spent(state: State, patience: int | None) -> bool:
    """Whether so many epochs in a row have not been better."""
    return patience is not None and len(state.rows) - state.best_epoch >= patience


def learn(model: nn.Module, train: Any, recipe: Recipe, state: State, pause: Callable[[State], None], say: Callable[[str], None]) -> Row:
    """What is left of a pass over the train split: epoch, learning_rate (the last step's), train_loss, train_<measure>."""
    model.train()
    watch = Watch(model)
    epoch, steps = state.epoch, math.ceil(len(train) / recipe.batch_size)
    parts = order(len(train), recipe.seed, epoch).tensor_split(steps)
    for step in range(state.step, steps):
        rate = recipe.rate((epoch - 1) * steps + step, recipe.epochs * steps)
        for group in recipe.optimizer.param_groups:
            group["lr"] = rate
        batch = train.batch(parts[step])
        loss, logits = gradient(model, altered(batch, recipe, epoch, step), recipe, state, say)
        watch(epoch, step, parts[step], loss)
        recipe.optimizer.step()
        # no float() in here: it would wait for a GPU at every step
        state.sums["loss"] = state.sums["loss"] + loss * len(parts[step])
        state.sums["score"] = state.sums["score"] + recipe.score(logits, batch.label).sum()
        state.step = step + 1
        pause(state)
    watch.settle()
    return {
        "epoch": epoch,
        "learning_rate": recipe.rate(epoch * steps - 1, recipe.epochs * steps),
        "train_loss": float(state.sums["loss"]) / len(train),
        f"train_{recipe.measure}": float(state.sums["score"]) / len(train),
    }


def altered(batch: Any, recipe: Recipe, epoch: int, step: int) -> Any:
    """The batch as the recipe augments it. The draws have a generator of their own: dropout's must not follow the same numbers."""
    if recipe.augment is None:
        return batch
    generator = torch.Generator(batch.label.device).manual_seed(stream(recipe.seed, epoch, -2 - step))
    return recipe.augment(batch, generator)


def gradient(
    model: nn.Module, batch: Any, recipe: Recipe, state: State, say: Callable[[str], None]
) -> tuple[Float[Tensor, ""], Float[Tensor, "B K"]]:
    """The gradient of one step, in the parameters; returns the loss without penalty and reconstruction, and the logits.

    Where the memory is too small for the batch, it is cut into twice as many pieces, here and from now on, whose gradients are added:
    the same step, but that batch norm, a dropout's draws and the weights of classes then are those of each piece.
    """
    while True:
        try:
            return attempt(model, batch, recipe, state)
        except torch.OutOfMemoryError as error:
            reason = str(error).splitlines()[0]
        # not in the handler: while it lasts, the error holds all that the failed attempt has put in memory
        make_room(len(batch.label), state, reason, say)


def make_room(samples: int, state: State, reason: str, say: Callable[[str], None]) -> None:
    """Cut batches into twice as many pieces. Raises TrainingError where one would be left with a single sample."""
    if samples // (2 * state.pieces) < 2:
        raise TrainingError(f"out of memory with {samples // state.pieces} samples at a time: {reason}")
    state.pieces *= 2
    torch.cuda.empty_cache()
    say(f"out of memory: from epoch {state.epoch}, step {state.step + 1} on each batch is learnt in {state.pieces} pieces")


def attempt(model: nn.Module, batch: Any, recipe: Recipe, state: State) -> tuple[Float[Tensor, ""], Float[Tensor, "B K"]]:
    """The same, raising torch.OutOfMemoryError."""
    sow(stream(recipe.seed, state.epoch, state.step), batch.label.device)
    present = hide(batch.present, recipe.modality_dropout)
    recipe.optimizer.zero_grad()
    samples, losses, answered = len(batch.label), [], []
    for i in range(state.pieces):
        rows = slice(samples * i // state.pieces, samples * (i + 1) // state.pieces)
        piece = batch if state.pieces == 1 else batch.batch(rows)
        logits, out = model(piece.inputs, piece.lengths, present if piece is batch else {name: x[rows] for name, x in present.items()})
        loss = recipe.loss(logits, piece.label)
        # a hidden modality is still given back: its encoder has seen it
        whole = loss if recipe.errors is None else loss + recipe.reconstruction * mean(recipe.errors(out, piece.present))
        share = len(piece.label) / samples
        (whole if share == 1 else whole * share).backward()
        losses.append(loss.detach() if share == 1 else loss.detach() * share)
        answered.append(logits.detach())
    if state.epoch == 1 and state.step == 0:
        # before the penalty, whose gradient reaches every matrix, used or not
        every_parameter_learns(model)
    if recipe.penalty is not None:
        recipe.penalty().backward()
    return (losses[0], answered[0]) if len(losses) == 1 else (torch.stack(losses).sum(), torch.cat(answered))


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


def mean(errors: Float[Tensor, " 2"]) -> Float[Tensor, ""]:
    """Of a sum and a number; 0 of none."""
    return errors[0] / errors[1].clamp(min=1)
