"""The training loop.

Of the project it imports its own parts only (average, draws, gradient, gradients, guards, prediction, recipe, state): the model, the data
(anything with `__len__`, `batches(parts)`, `label` and, of a batch, `batch(index)`, `inputs`, `lengths`, `present`, `label`), the
recipe's functions, and what is called after an epoch or a step are passed in.
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from deconfuse.processes.sharded import whole
from deconfuse.runtime.prediction import answers
from deconfuse.training.average import Average
from deconfuse.training.draws import order, stream
from deconfuse.training.gradient import gradient, mean, pieces
from deconfuse.training.guards import TrainingError, Watch, every_parameter_is_optimised, losses_are_finite
from deconfuse.training.norms import named, norms
from deconfuse.training.recipe import Recipe
from deconfuse.training.state import Row, State

Log = Callable[[Row], None]


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
        log: called once an epoch with epoch, learning_rate, gradient norms (see `gradients`), train_loss, train_<measure>, val_loss,
            val_<measure> (means of a sample; the train ones as seen while learning, penalty and reconstruction left out; the val loss is
            the recipe's plain one) and, where the recipe has a weight for it, val_reconstruction, which then counts with that weight in
            the lowest loss.
        state: where to go on; at the start where it is None.
        pause: called after each step and each epoch, when all is in a state to be saved; it ends the training by raising.
        say: takes a line for the user, where something is not done as it was asked.

    Raises TrainingError where a parameter would not learn, there is no memory left, or a loss, gradient or weight is no number.
    """
    every_parameter_is_optimised(model, recipe.optimizer)
    state = State(pieces=pieces(len(train), recipe)) if state is None else state
    average = Average(model, state.average, recipe.average) if recipe.average > 0 else None
    while state.epoch <= recipe.epochs and not is_spent(state, recipe.patience):
        row = learn(model, train, recipe, state, average, pause, say)
        if recipe.diagnosis is not None:
            row |= recipe.diagnosis.close(state)
        with nullcontext() if average is None else average.standing_in():
            row |= assess(model, val, recipe)
            losses_are_finite(row)
            log(row)
            state.close(row, row["val_loss"] + recipe.reconstruction * row.get("val_reconstruction", 0.0), model, recipe.team.leads)
        pause(state)
    if state.best_epoch == 0:
        raise TrainingError("there was no epoch to train")
    return state


def is_spent(state: State, patience: int | None) -> bool:
    """Whether so many epochs in a row have not been better."""
    return patience is not None and len(state.rows) - state.best_epoch >= patience


def learn(
    model: nn.Module,
    train: Any,
    recipe: Recipe,
    state: State,
    average: Average | None,
    pause: Callable[[State], None],
    say: Callable[[str], None],
) -> Row:
    """What is left of a pass over the train split: epoch, learning_rate and gradient norms (the last step's, before it is clipped),
    train_loss, train_<measure>."""
    model.train()
    watch = Watch(model)
    epoch, steps = state.epoch, recipe.steps(len(train))
    parts = order(len(train), recipe.seed, epoch).tensor_split(steps)
    for step, batch in enumerate(train.batches(parts[state.step :]), state.step):
        rate = recipe.rate((epoch - 1) * steps + step, recipe.epochs * steps)
        for group in recipe.optimizer.param_groups:
            group["lr"] = rate
        loss, logits = gradient(model, altered(batch, recipe, epoch, step), recipe, state, say)
        if step == steps - 1:
            # once an epoch: at every step it would cost up to a tenth of a small model's
            state.sums["gradient"] = whole(norms(model))
        if recipe.diagnosis is not None:
            recipe.diagnosis.before_step(state, steps)
        norm = None if recipe.clip is None else whole(nn.utils.clip_grad_norm_(model.parameters(), recipe.clip))
        rows = parts[step]
        watch(epoch, step, rows, loss, norm)
        recipe.optimizer.step()
        if recipe.diagnosis is not None:
            recipe.diagnosis.after_step(state)
        if average is not None:
            average.follow((epoch - 1) * steps + step)
        # no float() in here: it would wait for a GPU at every step
        state.sums["loss"] = torch.add(state.sums["loss"], loss, alpha=rows.shape[0])
        state.sums["score"] = state.sums["score"] + recipe.score(logits, batch.label).sum()
        state.step = step + 1
        pause(state)
    watch.settle()
    return {
        "epoch": epoch,
        "learning_rate": recipe.rate(epoch * steps - 1, recipe.epochs * steps),
        "train_loss": float(state.sums["loss"]) / len(train),
        f"train_{recipe.measure}": float(state.sums["score"]) / len(train),
        **named(model, state.sums["gradient"]),
    }


def altered(batch: Any, recipe: Recipe, epoch: int, step: int) -> Any:
    """The batch as the recipe augments it. The draws have a generator of their own: dropout's must not follow the same numbers."""
    if recipe.augment is None:
        return batch
    generator = torch.Generator(batch.label.device).manual_seed(stream(recipe.seed, epoch, -2 - step))
    return recipe.augment(batch, generator)


@torch.inference_mode()
def assess(model: nn.Module, data: Any, recipe: Recipe) -> Row:
    """A model on the val split: val_loss (plain) and val_<measure>, means of a sample; val_reconstruction where the recipe has one."""
    pieces, errors = [], torch.zeros(2)
    rows, others = recipe.team.share(len(data))
    for batch, logits, out in answers(model, data, rows):
        if recipe.errors is not None:
            errors = errors + recipe.errors(out, without(others - sum(map(len, pieces)), batch.present)).cpu()
        pieces.append(logits)
    logits = recipe.team.joined(torch.cat(pieces)[others:], slice(rows.start + others, rows.stop), len(data))
    errors = recipe.team.total(errors)
    label = data.label.to(logits.device)
    row = {"val_loss": float(recipe.plain(logits, label)), f"val_{recipe.measure}": float(recipe.score(logits, label).double().mean())}
    return row if recipe.errors is None else row | {"val_reconstruction": float(mean(errors))}


def without(first: int, present: dict[str, Tensor]) -> dict[str, Tensor]:
    """What is present, but for so many of the first samples, which are counted elsewhere."""
    return (
        present
        if first <= 0
        else {name: there & (torch.arange(len(there), device=there.device) >= first) for name, there in present.items()}
    )
