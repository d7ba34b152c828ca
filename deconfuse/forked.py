"""Pieces of work at the same time, each in a fork of this process: what it holds is theirs too, without a copy."""

import multiprocessing
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from deconfuse.worker_processes import WorkerDiedError, in_processes

T = TypeVar("T")
U = TypeVar("U")


def forked(works: Sequence[Callable[[], T]], workers: int) -> Iterator[T]:
    """What each of `works` gives, in their order.

    Here, one after the other, where there is one worker only, and but on Linux, where forks are safe. So is what is left where a fork is
    killed, as when the memory ends.

    Args:
        works: each gives something that can be pickled; they share nothing that they change.
        workers: how many at a time. No thread of this process but the main one may hold a lock, and no library have started threads of
            its own (as OpenMP does), since a fork has none of them.
    """
    done = 0
    if workers > 1 and len(works) > 1 and sys.platform == "linux":
        context = multiprocessing.get_context("fork")
        try:
            for _, found in in_processes(lambda place: works[place](), range(len(works)), min(workers, len(works)), context):
                done += 1
                yield found
        except WorkerDiedError:
            pass
    for work in works[done:]:
        yield work()


def beside(elsewhere: Callable[[], T], here: Callable[[], U]) -> tuple[T, U]:
    """What both give, at the same time: the first in a fork, as `forked` does it, and the second in this process, which keeps what it has
    loaded for it."""
    if sys.platform != "linux":
        return elsewhere(), here()
    found: list[U] = []
    context = multiprocessing.get_context("fork")
    try:
        ((_, other),) = in_processes(lambda _: elsewhere(), [None], 1, context, lambda: found.append(here()))
    except WorkerDiedError:
        other = elsewhere()
    return other, found[0]
