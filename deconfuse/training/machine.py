"""What a training takes of its machine."""

import os
import resource
import sys
import time

import torch


class Machine:
    """Looks at this process, at most every so many seconds; `samples` are what it saw, as the store shows them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.samples: list[dict[str, float]] = []
        """Each with `at` in unix seconds."""
        self.looked, self.used = time.monotonic(), time.process_time()

    def is_due(self) -> bool:
        return time.monotonic() - self.looked >= self.seconds

    def look(self) -> dict[str, float]:
        """What was seen since the last look: cpu_percent (100 is one core), peak memory in MiB, the machine's load."""
        now, used = time.monotonic(), time.process_time()
        seen = {
            "at": time.time(),
            "cpu_percent": 100 * (used - self.used) / max(1e-9, now - self.looked),
            "load": os.getloadavg()[0],
            "peak_memory_megabytes": peak() / 2**20,
        }
        if torch.cuda.is_initialized():
            seen["gpu_peak_memory_megabytes"] = torch.cuda.max_memory_allocated() / 2**20
        self.looked, self.used = now, used
        self.samples.append(seen)
        return seen


def peak() -> int:
    """Bytes of memory that this process has had at most."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
