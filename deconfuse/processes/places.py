"""How many processes train a model, and which of them this one is, as params and torch's launcher say."""

import os

import torch

from deconfuse.kernel.errors import UserError
from deconfuse.params.launch import Launch

MACHINE = "DECONFUSE_MACHINE"


def processes(launch: Launch, device: str) -> int:
    """How many processes this machine is to run. Raises UserError where they outnumber its GPUs."""
    if launch.processes == 1:
        # to count GPUs takes time
        return 1
    gpus = 0 if device == "cpu" else torch.cuda.device_count()
    wanted = max(gpus, 1) if launch.processes == "auto" else launch.processes
    if 0 < gpus < wanted:
        raise UserError(f"train.launch.processes is {wanted}, but there are {gpus} GPUs; take `auto`, or `device: cpu`")
    return wanted


def machine(launch: Launch) -> int:
    """Which of the machines this one is. Raises UserError where its number is none of theirs."""
    text = os.environ.get(MACHINE, "0")
    if not text.isdecimal() or int(text) >= launch.machines:
        raise UserError(f"{MACHINE} is {text!r}; machines count from 0, and train.launch.machines is {launch.machines}")
    return int(text)


def is_one_of_several() -> bool:
    """Whether torch's launcher started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def leads() -> bool:
    """Whether this process is the first of those that torch's launcher started."""
    return os.environ["RANK"] == "0"


def take_gpu(device: str) -> None:
    """Let `cuda` mean this process's own GPU, where it is to have one."""
    if device != "cpu" and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
