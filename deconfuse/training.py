"""The training loop.

It imports nothing of the project: the model, the data (anything with `__len__`, `batch(index)` and, of a batch, `inputs`,
`lengths`, `present`, `label`) and the function that logs an epoch are passed in.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

Log = Callable[[dict[str, float]], None]
VAL_BATCH = 512


class TrainingError(Exception):
    """A model that cannot be trained as it is, with the reason in words."""


@dataclass(frozen=True)
class Fitted:
    """What a training leaves."""

    weights: dict[str, Tensor]
    """The state of the epoch with the lowest validation loss, on the CPU."""
    best_epoch: int
    """That epoch, from 1."""


def fit(
    model: nn.Module,
    train: Any,
    val: Any,
    *,
    seed: int,
    epochs: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float,
    warmup: float,
    label_smoothing: float,
    modality_dropout: float,
    log: Log,
) -> Fitted:
    """Train a model, and keep the epoch with the lowest validation loss.

    Every random draw derives from (seed, epoch, step), so that neither an interruption nor the number of earlier draws can
    shift it. `log` is called once an epoch with epoch, learning_rate, train_loss, train_accuracy, val_loss, val_accuracy
    (losses in nats a sample, the train ones as seen while learning).

    Raises TrainingError where a parameter gets no gradient, or the loss is not a number.
    """
    optimizer = adamw(model, learning_rate, weight_decay)
    steps = math.ceil(len(train) / batch_size)
    best, fitted = math.inf, None
    for epoch in range(1, epochs + 1):
        model.train()
        total = correct = 0.0
        for step, index in enumerate(order(len(train), seed, epoch).tensor_split(steps)):
            torch.manual_seed(stream(seed, epoch, step))
            rate = learning_rate * schedule((epoch - 1) * steps + step, epochs * steps, warmup)
            for group in optimizer.param_groups:
                group["lr"] = rate
            batch = train.batch(index)
            logits, _ = model(batch.inputs, batch.lengths, hide(batch.present, modality_dropout))
            loss = F.cross_entropy(logits, batch.label, label_smoothing=label_smoothing)
            optimizer.zero_grad()
            loss.backward()
            if epoch == 1 and step == 0:
                every_parameter_learns(model)
            optimizer.step()
            total += loss.detach() * len(index)
            correct += (logits.detach().argmax(1) == batch.label).sum()
        train_loss, train_accuracy = float(total) / len(train), float(correct) / len(train)
        if not math.isfinite(train_loss):
            raise TrainingError(f"the training loss of epoch {epoch} is {train_loss}; a lower learning_rate may help")
        val_loss, val_accuracy = assess(model, val)
        log(
            {
                "epoch": epoch,
                "learning_rate": rate,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
            }
        )
        if val_loss < best or fitted is None:
            best = val_loss
            fitted = Fitted(
                {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()},
                epoch,
            )
    if fitted is None:
        raise TrainingError("there was no epoch to train")
    return fitted


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights on the CPU, in the one memory layout that files know."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in model.state_dict().items()}


def adamw(model: nn.Module, learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that decays matrices and kernels, not biases, norms and single vectors."""
    matrices = [value for value in model.parameters() if value.dim() > 1]
    vectors = [value for value in model.parameters() if value.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)


def schedule(step: int, steps: int, warmup: float) -> float:
    """Factor (0 to 1) on the learning rate: a straight climb, then half a cosine down to nearly 0."""
    climb = round(warmup * steps)
    if step < climb:
        return (step + 1) / climb
    return 0.5 * (1 + math.cos(math.pi * (step - climb) / max(1, steps - climb)))


def stream(seed: int, epoch: int, step: int) -> int:
    """One seed for each (seed, epoch, step); odd multipliers keep neighbours apart (Steele et al. 2014, SplitMix)."""
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


def assess(model: nn.Module, data: Any) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy of a model on a data set."""
    logits = predict(model, data)
    label = data.label.to(logits.device)
    return float(F.cross_entropy(logits, label)), float((logits.argmax(1) == label).double().mean())


@torch.inference_mode()
def predict(model: nn.Module, data: Any) -> Float[Tensor, "N K"]:
    """Logits of every sample, in order."""
    model.eval()
    pieces = []
    for start in range(0, len(data), VAL_BATCH):
        batch = data.batch(slice(start, start + VAL_BATCH))
        logits, _ = model(batch.inputs, batch.lengths, batch.present)
        pieces.append(logits)
    return torch.cat(pieces)
