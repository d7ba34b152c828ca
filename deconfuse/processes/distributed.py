"""Several processes that train one model, on one machine or more: each learns from its share of every batch.

Every process draws and decides the same, so that nothing has to be told but statistics, logits, gradients and what only one can know:
that a signal came, that a checkpoint is due, that memory ran out. What they end with is, but for rounding, what one process would.
"""

import hashlib
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn

from deconfuse.kernel.errors import UserError
from deconfuse.processes.sharded import is_sharded
from deconfuse.processes.team import Team
from deconfuse.processes.whole_batch import see_whole_batches
from deconfuse.training.draws import sow, stream
from deconfuse.training.guards import TrainingError


@contextmanager
def gathered(device: torch.device, strategy: Literal["ddp", "fsdp"], seconds: float) -> Generator["Group"]:
    """Meet the other processes that torch's launcher has started, for the time of the block.

    Args:
        device: of this process's model.
        strategy: whether each process holds the whole model (ddp) or a part of every weight (fsdp).
        seconds: after which one that does not answer is given up, and with it the training.
    """
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=timedelta(seconds=seconds))
    yield Group(device, strategy == "fsdp")
    # not after an error: it would wait for what is still under way
    dist.destroy_process_group()


class ElsewhereError(torch.OutOfMemoryError):
    """Another process has no memory left."""


class Group(Team):
    """The processes together, as one of them sees them.

    Args:
        device: of this process's model.
        shards: whether each process holds a part of every weight only.
    """

    def __init__(self, device: torch.device, shards: bool) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()
        self.here = int(os.environ["LOCAL_WORLD_SIZE"])
        self.device, self.shards, self.parent = device, shards, os.getppid()
        # torch raises OutOfMemoryError over a GPU's memory alone, and to ask costs a message
        self.may_run_out = device.type == "cuda" and not shards
        self.generator = torch.Generator(device)
        self.rows, self.samples = slice(0, 0), 0

    def adopt(self, model: nn.Module, device: torch.device) -> None:
        see_whole_batches(model, self.rank, self.size, self.summed, lambda: (self.samples, self.rows, self.generator))
        if not self.shards:
            model.to(device)
            return
        # it imports 0.9 s
        from deconfuse.processes.sharding import shard

        shard(model, self.size, device)

    # ---- shares

    def own(self, rows: slice) -> slice:
        self.samples = rows.stop - rows.start
        if self.samples < self.size:
            raise TrainingError(
                f"{self.samples} samples at a time cannot be shared by {self.size} processes; "
                "set a larger train.batch_size, or fewer train.launch.processes"
            )
        first, end = (self.samples * rank // self.size for rank in (self.rank, self.rank + 1))
        self.rows = slice(first, end)
        return slice(rows.start + first, rows.start + end)

    def share(self, samples: int) -> tuple[slice, int]:
        # as many calls of the model in each process: a sharded one gathers its weights in each call
        each = -(-samples // self.size)
        first = min(self.rank * each, samples - each)
        return slice(first, first + each), min(self.rank * each - first, each)

    def draws_apart(self, seed: int) -> None:
        is_cpu = self.device.type == "cpu"
        self.generator.set_state(torch.get_rng_state() if is_cpu else torch.cuda.get_rng_state(self.device))
        if self.rank > 0:
            sow(stream(seed, self.rank, 0), self.device)

    # ---- what all know

    def joined(self, x: Tensor, rows: slice, samples: int) -> Tensor:
        return Joined.apply(x, rows, samples, self.summed)

    def total(self, x: Tensor) -> Tensor:
        return Total.apply(x, self.summed)

    def summed(self, x: Tensor) -> Tensor:
        """The sum over the processes, in place of x. Raises ElsewhereError."""
        self.none_ran_out()
        dist.all_reduce(x)
        return x

    def add_gradients(self, model: nn.Module) -> None:
        learning = [value for value in model.parameters() if value.requires_grad and not is_sharded(value)]
        if not learning:
            return
        own = [torch.zeros_like(value) if value.grad is None else value.grad for value in learning]
        # one message: its delay counts more than its length
        parts = self.summed(torch.cat([x.flatten() for x in own])).split([x.numel() for x in own])
        torch._foreach_copy_(own, [part.view_as(x) for part, x in zip(parts, own, strict=True)])
        for value, x in zip(learning, own, strict=True):
            value.grad = x

    def agreed(self, *flags: int) -> list[int]:
        held = torch.tensor(flags)
        dist.all_reduce(held, dist.ReduceOp.MAX)
        return held.tolist()

    def are_alike(self, key: str) -> None:
        number = int(hashlib.sha256(key.encode()).hexdigest()[:15], 16)
        greatest, least = self.agreed(number, -number)
        if greatest != -least:
            raise UserError("the machines differ in params, data, code or kind of processor; bring them to the state of machine 0")

    def told(self, give: Callable[[], bytes]) -> bytes:
        content = torch.frombuffer(bytearray(give()), dtype=torch.uint8) if self.leads else torch.empty(0, dtype=torch.uint8)
        [size] = self.agreed(len(content))
        content = content if self.leads else torch.empty(size, dtype=torch.uint8)
        dist.broadcast(content, 0)
        return content.numpy().tobytes()

    # ---- what goes wrong

    def is_orphan(self) -> bool:
        return os.getppid() != self.parent

    def none_ran_out(self) -> None:
        """Raise ElsewhereError where a process has come to its `out_of_memory` and not to here."""
        if self.may_run_out and self.agreed(0)[0]:
            raise ElsewhereError("another process ran out of memory")

    def out_of_memory(self, error: BaseException) -> None:
        if self.shards:
            # the others are where weights are gathered, and cannot be told
            raise TrainingError(f"out of memory: {str(error).splitlines()[0]}; set a smaller train.micro_batch") from None
        if not isinstance(error, ElsewhereError):
            self.agreed(1)


class Joined(torch.autograd.Function):
    """Rows of all processes, each of which has the gradient of the whole."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: slice, samples: int, summed: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.rows = rows
        whole = x.new_zeros(samples, *x.shape[1:])
        whole[rows] = x
        return summed(whole)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0][ctx.rows], None, None, None


class Total(torch.autograd.Function):
    """The sum over the processes, each of which has the gradient of the sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, summed: Callable[[Tensor], Tensor]) -> Tensor:
        return summed(x.clone())

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None
