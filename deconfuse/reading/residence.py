"""What of the data lies in memory, and what is read from disk as it is needed. The bytes of a result are the same either way."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from deconfuse.kernel.errors import UserError
from deconfuse.model.dataset import Dataset
from deconfuse.reading.memory import available
from deconfuse.reading.stored import Split, Stored
from deconfuse.reading.streaming import Streamed

GIB = 2**30
# shares of what is free: a GPU is this training's own, other trainings may begin beside it in the main memory
OF_GPU, OF_MAIN = 0.5, 0.25
# bytes that are read at a time
CHUNK = 32 * 2**20


def place(
    splits: dict[str, Split], device: torch.device, allowed: float | None, say: Callable[[str], None], sharers: int = 1
) -> dict[str, Dataset | Streamed]:
    """Splits as a model on `device` reads them.

    Args:
        splits: by name.
        device: the model's.
        allowed: GiB of inputs that may lie in its memory; None is a share of what is free there. The smallest arrays come first.
        say: takes a line where something stays on disk.
        sharers: processes of this training on this machine, each with its own copy.
    """
    room = free(device) // (1 if device.type == "cuda" else sharers) if allowed is None else int(allowed * GIB)
    found = sorted((stored.nbytes, split, name) for split, data in splits.items() for name, stored in data.arrays.items())
    total, on_disk = 0, set()
    for nbytes, split, name in found:
        if total + nbytes <= room:
            total += nbytes
        else:
            on_disk.add((split, name))
    if on_disk:
        named = ", ".join(f"{split}/{name} ({nbytes / GIB:.3g} GiB)" for nbytes, split, name in found if (split, name) in on_disk)
        say(f"reads {named} from disk as it goes; {total / GIB:.3g} of {room / GIB:.3g} GiB allowed lie in memory (train.resident)")
    return {split: placed(data, device, {name for where, name in on_disk if where == split}) for split, data in splits.items()}


def placed(split: Split, device: torch.device, on_disk: set[str]) -> Dataset | Streamed:
    inputs = {name: loaded(stored, device) for name, stored in split.arrays.items() if name not in on_disk}
    resident = replace(split.rows.to(device), inputs=inputs)
    return Streamed(resident, {name: split.arrays[name] for name in sorted(on_disk)}) if on_disk else resident


def loaded(stored: Stored, device: torch.device) -> Tensor:
    """All samples, read piece by piece: beside the result only one piece is in memory. Raises UserError."""
    try:
        found = torch.empty((len(stored.rows), *stored.values.shape[1:]), dtype=stored.dtype, device=device)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"no memory for {stored.nbytes:,} bytes of data ({reason}); set train.resident to fewer GiB") from None
    step = max(1, CHUNK * len(found) // max(1, stored.nbytes))
    for start in range(0, len(found), step):
        here = slice(start, start + step)
        found[here] = stored.gather(here, False)
    return found


def free(device: torch.device) -> int:
    """Bytes that data may take."""
    return int(torch.cuda.mem_get_info(device)[0] * OF_GPU) if device.type == "cuda" else int(available() * OF_MAIN)
