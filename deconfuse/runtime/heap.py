"""What the C library does with memory that is freed."""

import ctypes

# of glibc's malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
# the largest whole gibibyte that fits a C int
LARGE = 2**30


def keep_freed() -> None:
    """Let the process keep the memory that it frees, for its next use; where the C library is not glibc, nothing is done.

    By default glibc gives a large block back at once, and the system clears it anew, page by page, for the next step of the same
    training: of networks with large maps a third of all time.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGE)
        mallopt(TRIM_THRESHOLD, LARGE)


def give_back() -> None:
    """Give the system what of the memory is free at present, as between two pieces of work that have little in common."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
