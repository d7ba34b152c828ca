"""Parts of a model as torch's compiler makes them; it is imported where it is asked for only, since that takes seconds."""

from collections.abc import Callable
from typing import Any

from torch import nn

from deconfuse.training.guards import TrainingError

# values of up to so many reads are worked out anew wherever they are used, instead of being written to memory once. By torch's own 4 the
# gradient that comes to a batch norm is written, in fp32: on an H200 that norm, its ReLU and the mean of a bf16 map of 2.1 GB took 7.3 ms
# with their gradients, and by 16 they take 4.6
INLINED: dict[str, Any] = {"realize_reads_threshold": 16}


def compile_parts(parts: dict[str, nn.Module], say: Callable[[str], None]) -> None:
    """Let parts of a model compute by compiled code while they learn; in evaluation they go on as they were written, so that all who
    use the model find the same answers. Weights keep their names. `say` is told which parts are not compiled.

    Each size of batch is compiled by itself: code for any size would depend on which came first, and so on where a training was
    interrupted. Recurrent parts are left: they pack sequences, of a new total length at each step.
    """
    import torch._dynamo

    torch._dynamo.config.recompile_limit = 64  # ty: ignore[invalid-assignment]
    left = [name for name, part in parts.items() if is_recurrent(part)]
    if left:
        say(f"{', '.join(left)} not compiled: recurrent layers get another size at each step")
    for name in sorted(set(parts) - set(left)):
        part = parts[name]
        # a module's own attribute comes before its class's
        part.forward = learning(name, part, part.forward, torch.compile(part.forward, dynamic=False, options=INLINED))


def is_recurrent(module: nn.Module) -> bool:
    """Whether it has a recurrent layer, whose lengths are read on the CPU at each step."""
    return any(isinstance(layer, nn.RNNBase) for layer in module.modules())


def learning(name: str, part: nn.Module, written: Callable[..., Any], compiled: Callable[..., Any]) -> Callable[..., Any]:
    """The compiled function while the part is in training, else the one that was written."""
    from torch._dynamo.exc import TorchDynamoException

    def forward(*given: Any) -> Any:
        if not part.training:
            return written(*given)
        try:
            return compiled(*given)
        except TorchDynamoException as error:
            reason = str(error).strip().splitlines()[0]
            raise TrainingError(f"torch cannot compile {name}: {reason}; set train.compile to false") from error

    return forward
