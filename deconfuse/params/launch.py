"""The `train.launch:` section: how many processes train a model, and where."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deconfuse.kernel.strict import Strict


class Launch(Strict):
    """Processes that share every batch, started by torch's launcher (torchrun)."""

    processes: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = 1
    """Processes on each machine, with `train.threads` threads each; `auto` is one for each GPU, and one where there is none. But for
    rounding, their number does not change the results."""
    machines: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Machines. DVC runs on number 0; on each other, with the same code, params and `data/`, run `python -m stages.train MODEL` with its
    number in the environment variable DECONFUSE_MACHINE."""
    rendezvous: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+:[0-9]{1,5}$")] | None = None
    """`host:port` of machine 0, where the machines meet; needed where there are several."""
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """`ddp`: each process holds the whole model; `fsdp`: each holds a part of every weight and gathers it when it is needed, for models
    that one GPU does not hold (Zhao et al. 2023)."""
    timeout: Annotated[float, Field(ge=1, le=1e6)] = 300.0
    """Seconds that a process waits for one that does not answer, before the training ends with an error; what ends is noticed at once."""

    @model_validator(mode="after")
    def machines_can_meet(self) -> Self:
        if self.machines > 1 and self.rendezvous is None:
            raise ValueError(f"{self.machines} machines need `rendezvous`, the host:port of machine 0 where they meet")
        return self
