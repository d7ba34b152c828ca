"""How many of the processor's cores are this process's to use."""

import os

SHARE = "DECONFUSE_CORES"
"""The variable that says so where several processes share the machine."""


def cores() -> int:
    """Those that the system lets it have, or fewer where who started it has said so."""
    given = os.environ.get(SHARE, "")
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, max(1, int(given))) if given.isdecimal() else allowed
