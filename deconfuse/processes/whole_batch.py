"""Layers that look across the batch or draw for it: what they do where each process holds only some of its rows.

Batch norm takes the statistics of the whole batch, forwards and backwards; dropout draws for the whole batch and keeps its own rows.
torch's own `SyncBatchNorm` does not run on CPUs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from deconfuse.kernel.errors import UserError

Sum = Callable[[Tensor], Tensor]
Draws = Callable[[], tuple[int, slice, torch.Generator]]


def see_whole_batches(model: nn.Module, rank: int, size: int, summed: Sum, draws: Draws) -> None:
    """Change how a model's batch norms and dropouts work, subclasses in other libraries included; its weights keep their names.

    Args:
        model: as each process has it.
        rank: of this process.
        size: number of processes.
        summed: gives the sum of a tensor over the processes; may change the tensor.
        draws: gives how many rows the batch has that is at work, which of them are this process's, and the generator that all
            processes have in the same state.

    Raises UserError where a layer looks across the batch in a way of its own.
    """
    for module in model.modules():
        if getattr(module, "sees_batch", False):
            raise UserError(f"{type(module).__name__} works with the batch of one process; set train.launch.processes to 1")
        if isinstance(module, (_BatchNorm, nn.Dropout)):
            setattr(module, "forward", partial(call, Whole(rank, size, summed, draws), module.forward))  # noqa: B010


def call(mode: "Whole", forward: Callable[..., Tensor], *arguments: Any) -> Tensor:
    with mode:
        return forward(*arguments)


class Whole(TorchFunctionMode):
    """While it is on, torch's functions `batch_norm` and `dropout` are those of the whole batch."""

    def __init__(self, rank: int, size: int, summed: Sum, draws: Draws) -> None:
        super().__init__()
        self.rank, self.size, self.summed, self.draws = rank, size, summed, draws

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm:
            return self.batch_norm(*args, **kwargs)
        return self.dropout(*args, **kwargs) if func is F.dropout else func(*args, **kwargs)

    def batch_norm(
        self,
        x: Float[Tensor, "B C ..."],
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> Tensor:
        """The function of torch that has these arguments."""
        if not training:
            return F.batch_norm(x, running_mean, running_var, weight, bias, training, momentum, eps)
        count, mean, variance = self.statistics(x.detach())
        if running_mean is not None and running_var is not None:
            running_mean.lerp_(mean.to(running_mean.dtype), momentum)
            running_var.lerp_((variance * count / (count - 1)).to(running_var.dtype), momentum)
        deviation = (variance + eps).sqrt()
        return Norm.apply(x, weight, bias, mean.float(), deviation.float(), count, self.summed)

    def statistics(self, x: Float[Tensor, "B C ..."]) -> tuple[Tensor, Tensor, Tensor]:
        """Number of values, mean and variance of each channel over all processes, joined as Chan et al. (1983) do; in double precision."""
        variance, mean = torch.var_mean(x.float(), others(x), correction=0)
        table = x.new_zeros(self.size, 2 * len(mean) + 1, dtype=torch.float64)
        number = x.numel() // len(mean)
        table[self.rank] = torch.cat([mean.new_tensor([number]), mean, variance]).double()
        numbers, means, variances = self.summed(table).split([1, len(mean), len(mean)], 1)
        count = numbers.sum()
        mean = (numbers * means).sum(0) / count
        return count, mean, (numbers * (variances + (means - mean).square())).sum(0) / count

    def dropout(self, x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """The same draws as one process makes, on a CPU; `x` has its samples along the first axis, or several rows a sample."""
        samples, own, generator = self.draws()
        held = own.stop - own.start
        if not training or p == 0 or p == 1 or len(x) % held:
            return F.dropout(x, p, training, inplace)
        each = len(x) // held
        kept = x.new_empty(samples * each, *x.shape[1:]).bernoulli_(1 - p, generator=generator).div_(1 - p)
        return x * kept[own.start * each : own.stop * each]


class Norm(torch.autograd.Function):
    """(x - mean) / deviation * weight + bias, where mean and deviation depend on the rows of all processes."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, deviation: Tensor, count: Tensor, summed: Sum
    ) -> Tensor:
        ctx.save_for_backward(x, weight, mean, deviation, count)
        ctx.summed, ctx.has_bias = summed, bias is not None
        y = normal(x, mean, deviation)
        y = y if weight is None else y * across(weight, x)
        return (y if bias is None else y + across(bias, x)).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, mean, deviation, count = ctx.saved_tensors
        given, y = gradients[0].float(), normal(x, mean, deviation)
        own = torch.stack([given.sum(others(x)), (given * y).sum(others(x))])
        shift, slope = (ctx.summed(own.double()) / count).float()
        rate = across(1 / deviation if weight is None else weight / deviation, x)
        back = (given - across(shift, x) - y * across(slope, x)) * rate
        # the sums over the processes of what belongs to weight and bias are those of all gradients
        return back.to(x.dtype), None if weight is None else own[1], own[0] if ctx.has_bias else None, None, None, None, None


def normal(x: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    return (x.float() - across(mean, x)) / across(deviation, x)


def across(channel: Float[Tensor, " C"], x: Float[Tensor, "B C ..."]) -> Float[Tensor, "1 C ..."]:
    """One value a channel, so that it meets x."""
    return channel.view(1, -1, *[1] * (x.dim() - 2))


def others(x: Tensor) -> list[int]:
    """All axes but the channels'."""
    return [0, *range(2, x.dim())]
