"""Pieces of work at the same time, each in a fork of this process: what it holds is theirs too, without a copy."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

T = TypeVar("T")


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
        others = set(multiprocessing.active_children())
        context = multiprocessing.get_context("fork")
        pool = ProcessPoolExecutor(min(workers, len(works)), context, begin, (works,))
        waited = [pool.submit(one, place) for place in range(len(works))]
        try:
            for each in waited:
                yield each.result()
                done += 1
        except BrokenProcessPool:
            pass
        except Exception:
            # those that have begun come to their end
            raise
        except BaseException:
            # after Ctrl-C nobody waits for them
            for process in set(multiprocessing.active_children()) - others:
                process.kill()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    for work in works[done:]:
        yield work()


# of a fork, so that nothing need be sent to it
WORKS: list[Callable[[], Any]] = []


def begin(works: Sequence[Callable[[], Any]]) -> None:
    """In a fork: let Ctrl-C end it at once, without a traceback."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    WORKS[:] = works


def one(place: int) -> Any:
    return WORKS[place]()
