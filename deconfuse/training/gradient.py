"""The gradient of one step, in as many pieces as the memory asks for."""

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from deconfuse.training.draws import hide, sow, stream
from deconfuse.training.guards import TrainingError, every_parameter_learns
from deconfuse.training.recipe import Recipe
from deconfuse.training.state import State

Learnt = tuple[Float[Tensor, ""], Float[Tensor, "B K"]]


def pieces(samples: int, recipe: Recipe) -> int:
    """Into how many pieces the recipe cuts the largest batch of so many samples."""
    if recipe.micro_batch is None:
        return 1
    largest = math.ceil(samples / recipe.steps(samples))
    return math.ceil(largest / recipe.micro_batch)


def gradient(model: nn.Module, batch: Any, recipe: Recipe, state: State, say: Callable[[str], None]) -> Learnt:
    """The gradient of one step, in the parameters; returns the loss without penalty and reconstruction, and the logits.

    A batch is learnt in `state.pieces`, whose gradients are added: the same step, but that batch norm, a dropout's draws and the weights
    of classes then are those of each piece. Where the memory is too small for a piece, there are twice as many, here and from now on.
    """
    while True:
        try:
            return attempt(model, batch, recipe, state)
        except torch.OutOfMemoryError as error:
            reason = str(error).splitlines()[0]
            recipe.team.out_of_memory(error)
        # not in the handler: while it lasts, the error holds all that the failed attempt has put in memory
        make_room(len(batch.label), state, smallest(recipe), reason, say)


def smallest(recipe: Recipe) -> int:
    """Samples that a piece needs: two, since batch norm could learn nothing of one, and one for each process."""
    return max(2, recipe.team.size)


def make_room(samples: int, state: State, least: int, reason: str, say: Callable[[str], None]) -> None:
    """Cut batches into twice as many pieces. Raises TrainingError where one would be left with fewer than `least` samples."""
    if samples // (2 * state.pieces) < least:
        raise TrainingError(f"out of memory with {samples // state.pieces} samples at a time: {reason}")
    state.pieces *= 2
    torch.cuda.empty_cache()
    say(f"out of memory: from epoch {state.epoch}, step {state.step + 1} on each batch is learnt in {state.pieces} pieces")


def attempt(model: nn.Module, batch: Any, recipe: Recipe, state: State) -> Learnt:
    """The same, raising torch.OutOfMemoryError."""
    seed = stream(recipe.seed, state.epoch, state.step)
    sow(seed, batch.label.device)
    present = hide(batch.present, recipe.modality_dropout)
    recipe.team.draws_apart(seed)
    recipe.optimizer.zero_grad()
    count = 1 if state.pieces == 1 else max(1, min(state.pieces, len(batch.label) // smallest(recipe)))
    if recipe.recorder is None:
        learnt = backward(model, recipe, count, batch, present)
    else:
        learnt = recipe.recorder(partial(backward, model, recipe, count), batch, present, count)
    if state.epoch == 1 and state.step == 0:
        # before the penalty, whose gradient reaches every matrix, used or not
        every_parameter_learns(model)
    recipe.team.add_gradients(model)
    if recipe.penalty is not None:
        recipe.penalty().backward()
    return learnt


def backward(model: nn.Module, recipe: Recipe, count: int, batch: Any, present: dict[str, Bool[Tensor, " B"]]) -> Learnt:
    """Add the gradient of a batch, learnt in `count` pieces; `present` is what the model may see of it."""
    samples = len(batch.label)
    if count == 1:
        return piece(model, recipe, batch, present, slice(0, samples), samples)
    ends = [samples * i // count for i in range(count + 1)]
    found = [piece(model, recipe, batch, present, slice(*rows), samples) for rows in pairwise(ends)]
    losses, answered = zip(*found, strict=True)
    return torch.stack(losses).sum(), torch.cat(answered)


def piece(model: nn.Module, recipe: Recipe, batch: Any, present: dict[str, Bool[Tensor, " B"]], rows: slice, samples: int) -> Learnt:
    """Add the gradient of the `rows` of a batch of so many samples, by their share of it; the loss is by that share as well."""
    team, number = recipe.team, rows.stop - rows.start
    own = team.own(rows)
    label = batch.label if number == samples else batch.label[rows]
    if own != slice(0, samples):
        batch, present = batch.batch(own), {name: x[own] for name, x in present.items()}
    mine, out = model(batch.inputs, batch.lengths, present)
    logits = team.joined(mine, slice(own.start - rows.start, own.stop - rows.start), number)
    loss = recipe.loss(logits, label)
    # a hidden modality is still given back: its encoder has seen it
    whole = loss if recipe.errors is None else loss + recipe.reconstruction * mean(team.total(recipe.errors(out, batch.present)))
    share = number / samples
    (whole if share == 1 else whole * share).backward()
    return loss.detach() if share == 1 else loss.detach() * share, logits.detach()


def mean(errors: Float[Tensor, " 2"]) -> Float[Tensor, ""]:
    """Of a sum and a number; 0 of none."""
    return errors[0] / errors[1].clamp(min=1)
