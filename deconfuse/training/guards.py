"""What a training must not pass over: parameters that do not learn, and values that are no numbers."""

import math

import torch
from torch import Tensor, nn

HINT = "a lower learning_rate may help"


class TrainingError(Exception):
    """A model that cannot be trained as it is, with the reason in words.

    Args:
        reason: the words.
        rows: the places in the train split that the step at fault saw, where it is known.
    """

    def __init__(self, reason: str, rows: Tensor | None = None) -> None:
        super().__init__(reason)
        self.rows = rows


def every_parameter_is_optimised(model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Raise TrainingError where a parameter that can learn is in no group of the optimiser, or in several."""
    held = [id(value) for group in optimizer.param_groups for value in group["params"]]
    wrong = [name for name, value in model.named_parameters() if value.requires_grad and held.count(id(value)) != 1]
    if wrong:
        raise TrainingError(f"not in exactly one group of the optimiser: {', '.join(wrong)}")


def every_parameter_learns(model: nn.Module) -> None:
    """Raise TrainingError where the first gradient left a parameter out."""
    idle = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    if idle:
        raise TrainingError(f"no gradient reaches {', '.join(idle)}; the model does not use them")


def losses_are_finite(row: dict[str, int | float]) -> None:
    """Raise TrainingError where a loss of an epoch is no number."""
    for key, words in (("train_loss", "training"), ("val_loss", "validation"), ("val_reconstruction", "validation reconstruction")):
        if not math.isfinite(row.get(key, 0.0)):
            raise TrainingError(f"the {words} loss of epoch {row['epoch']} is {row[key]}; {HINT}")


class Watch:
    """Looks at the loss of every step; on a GPU one step late, so that nobody waits for it.

    Of a gradient that is clipped the norm is looked at as well. Others are not: that would cost up to a tenth of a small model's step.
    A bad one makes bad weights, and these a bad loss in the next step, where bad weights tell it from a loss that is bad by itself;
    `settle` sees to the last step of an epoch.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.now: Step | None = None
        self.before: Step | None = None

    def __call__(self, epoch: int, step: int, rows: Tensor, loss: Tensor, norm: Tensor | None = None) -> None:
        """Take in the loss of a step (from 0) and its gradient's norm, before the optimiser moves the weights. Raises TrainingError."""
        self.before, self.now = self.now, Step(epoch, step, rows, loss, norm)
        if self.now.arrived is None:
            self.look(self.now)
        elif self.before is not None:
            self.look(self.before)

    def settle(self) -> None:
        """Look at what the last step left. Raises TrainingError."""
        if self.now is None:
            return
        self.look(self.now)
        bad = not_finite(self.model)
        if bad:
            raise TrainingError(f"the gradient of {self.now.place} was not finite: {', '.join(bad)} no longer are; {HINT}", self.now.rows)

    def look(self, at: "Step") -> None:
        loss, norm = at.values()
        if math.isfinite(loss) and math.isfinite(norm):
            return
        if at is self.now and self.before is not None and not_finite(self.model):
            at, loss = self.before, 0.0
        if math.isfinite(loss):
            raise TrainingError(f"the gradient of {at.place} was not finite; {HINT}", at.rows)
        raise TrainingError(f"the training loss of {at.place} is {loss}; {HINT}", at.rows)


class Step:
    """A step's loss, alone or with its gradient's norm, on the way to the CPU."""

    __slots__ = ("arrived", "epoch", "loss", "norm", "rows", "step")

    def __init__(self, epoch: int, step: int, rows: Tensor, loss: Tensor, norm: Tensor | None) -> None:
        self.epoch, self.step, self.rows, self.loss, self.norm = epoch, step, rows, loss, norm
        self.arrived: torch.cuda.Event | None = None
        if loss.is_cuda:
            self.loss, self.norm = sent(loss), None if norm is None else sent(norm)
            self.arrived = torch.cuda.Event()
            self.arrived.record()

    @property
    def place(self) -> str:
        return f"epoch {self.epoch}, step {self.step + 1}"

    def values(self) -> tuple[float, float]:
        """The loss and the norm, 0 where there is none."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return self.loss.item(), 0.0 if self.norm is None else self.norm.item()


def sent(value: Tensor) -> Tensor:
    """A number's copy on the way to the CPU: only into pinned memory does it go on while the processor does."""
    return torch.empty(value.shape, dtype=value.dtype, pin_memory=True).copy_(value, non_blocking=True)


def not_finite(model: nn.Module) -> list[str]:
    """The names of the parameters that hold an infinity or what is no number."""
    return [name for name, value in model.named_parameters() if not value.isfinite().all()]
