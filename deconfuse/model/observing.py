"""Operations of torch, seen from Python while they are computed."""

from torch.utils._python_dispatch import TorchDispatchMode


class Observing(TorchDispatchMode):
    """A block in which `__torch_dispatch__` is told of each operation; not to be used in inference mode, where several come as one."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # else torch imports its compiler, to keep it out of here: 1.1 s and 130 MB, as torch's own FlopCounterMode costs
        return False
