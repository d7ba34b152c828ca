"""A step's kernels recorded once and replayed: a GPU then no longer waits for Python between them (CUDA graphs)."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from deconfuse.training.compiling import is_recurrent
from deconfuse.training.guards import TrainingError

Present = dict[str, Bool[Tensor, " B"]]
Learnt = tuple[Tensor, Tensor]
Work = Callable[[Any, Present], Learnt]


@dataclass(frozen=True)
class Recorded:
    """A graph, and the memory that it reads and writes."""

    graph: torch.cuda.CUDAGraph
    given: list[Tensor]
    learnt: Learnt
    gradients: list[Tensor | None]


class Recorder:
    """Replays the gradient of a step; only for a model on a GPU whose work never waits for the CPU.

    The first batch of a size is learnt as always, which also lets the libraries make their workspaces; at the second the kernels are
    recorded. What modules draw follows the seed of each step, recorded or not.

    Args:
        model: whose gradients are recorded.
    """

    def __init__(self, model: nn.Module) -> None:
        self.parameters = list(model.parameters())
        self.recorded: dict[tuple[int, int], Recorded | None] = {}
        self.stream = torch.cuda.Stream()

    def __call__(self, work: Work, batch: Any, present: Present, pieces: int) -> Learnt:
        """What `work` gives for a batch and what may be seen of it, with its gradients in the parameters, which have none before.

        Raises TrainingError where the work cannot be recorded, torch.OutOfMemoryError.
        """
        size = len(batch.label), pieces
        if size not in self.recorded:
            learnt = self._warm_up(work, batch, present)
            self.recorded[size] = None
            return learnt
        found = self.recorded[size]
        if found is None:
            found = self.recorded[size] = self._record(work, batch, present)
        for place, value in zip(found.given, tensors(batch, present), strict=True):
            place.copy_(value)
        found.graph.replay()
        for parameter, gradient in zip(self.parameters, found.gradients, strict=True):
            parameter.grad = gradient
        return found.learnt

    def _warm_up(self, work: Work, batch: Any, present: Present) -> Learnt:
        """Learn on a stream of its own, as recording asks for."""
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            learnt = work(batch, present)
        torch.cuda.current_stream().wait_stream(self.stream)
        return learnt

    def _record(self, work: Work, batch: Any, present: Present) -> Recorded:
        given = [value.clone() for value in tensors(batch, present)]
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph, stream=self.stream):
                learnt = work(*put(batch, present, given))
        except RuntimeError as error:
            # what is left of a recording that failed cannot be gone on with
            reason = str(error).strip().splitlines()[0]
            raise TrainingError(f"the step cannot be recorded: {reason}; set train.cuda_graph to false") from error
        return Recorded(graph, given, learnt, [parameter.grad for parameter in self.parameters])


def recorder(model: nn.Module, device: torch.device, say: Callable[[str], None]) -> Recorder | None:
    """Where a model's steps can be recorded, what does so; else None, and `say` is told why."""
    if device.type != "cuda":
        say("its steps are not recorded: the CPU has no graphs, they are a GPU's")
    elif is_recurrent(model):
        say("its steps are not recorded: recurrent layers wait for the CPU")
    else:
        return Recorder(model)
    return None


def tensors(batch: Any, present: Present) -> list[Tensor]:
    """All that a step reads of its batch, in one order."""
    parts = (batch.inputs, batch.lengths, batch.present, present)
    return [part[name] for part in parts for name in sorted(part)] + [batch.label]


def put(batch: Any, present: Present, values: list[Tensor]) -> tuple[Any, Present]:
    """The batch and what may be seen of it, with other tensors in the order of `tensors`."""
    left = iter(values)
    inputs, lengths, there, seen = (
        {name: next(left) for name in sorted(part)} for part in (batch.inputs, batch.lengths, batch.present, present)
    )
    return replace(batch, inputs=inputs, lengths=lengths, present=there, label=next(left)), seen
