"""How one of several processes ends: what it has to say goes to the process that started it, which says it once."""

import json
import os
import sys
import time
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from torch.distributed import DistBackendError, DistError, DistNetworkError, DistStoreError

from deconfuse.kernel.errors import Stopped, UserError

FILE = "TORCHELASTIC_ERROR_FILE"
"""Where torch's launcher looks for a process's words, by its environment."""

MESSAGES = {"distributed_c10d.py", "_fsdp_collectives.py", "_functional_collectives.py"}
"""Files of torch whose functions pass messages between processes, and what these raise where one does not arrive."""
LOSSES = (RuntimeError, DistError, DistBackendError, DistNetworkError, DistStoreError)


class Kind(StrEnum):
    """Why a process ended."""

    USER = "user"
    """An error that is the user's to mend."""
    BUG = "bug"
    LOST = "lost"
    """Another one did."""


@contextmanager
def reported(leads: bool) -> Generator[None]:
    """End the process as its launcher understands it, where the block does not end well; of a signal only the one that leads speaks."""
    try:
        yield
    except UserError as error:
        leave(Kind.USER, str(error))
    except Stopped as stop:
        if leads:
            print(stop, file=sys.stderr)
        sys.exit(128 + stop.number)
    except Exception as error:  # noqa: BLE001  the launcher says it
        called = {Path(frame.filename).name for frame in traceback.extract_tb(error.__traceback__)[-4:]}
        is_lost = type(error) in LOSSES and bool(called & MESSAGES)
        words = f"no answer from another process ({str(error).splitlines()[0]})"
        leave(*(Kind.LOST, words) if is_lost else (Kind.BUG, "".join(traceback.format_exception(error))))


def leave(kind: Kind, words: str) -> None:
    """Write the words down and end, without waiting for what other threads still do: they may wait for a process that is gone."""
    Path(os.environ[FILE]).write_text(json.dumps({"message": words, "kind": kind, "timestamp": int(time.time())}), encoding="utf-8")
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)
