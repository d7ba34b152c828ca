"""Work in other processes, each with a pipe of its own: one that is killed, even while it speaks, is noticed and keeps nobody waiting.

A `ProcessPoolExecutor` has one pipe for all results, which stays open when the process that wrote into it is gone: its reader then
waits for the rest of the message without end.
"""

import atexit
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar, cast

A = TypeVar("A")
B = TypeVar("B")


class WorkerDiedError(Exception, Generic[A]):
    """A process ended, by a signal or by itself, while it was at `piece`."""

    def __init__(self, piece: A) -> None:
        super().__init__("a process ended while it was at work")
        self.piece = piece


def in_processes(
    work: Callable[[A], B],
    pieces: Iterable[A],
    workers: int,
    context: BaseContext | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Iterator[tuple[A, B]]:
    """Each of `pieces` and what `work` gives of it, in their order, two pieces a process ahead of the reader at most.

    Args:
        work: what it gives and raises can be pickled.
        pieces: read as they are needed; can be pickled.
        workers: how many processes, at least 1.
        context: how they start; as Python does it here, where there is none.
        meanwhile: is called here, once, when the first pieces are under way.

    Raises WorkerDiedError, and the first error of `work` or `pieces`. After an error those at work come to the end of their piece; when
    the reader closes or Ctrl-C comes they are killed.
    """
    context = context or multiprocessing.get_context()
    started: list[tuple[BaseProcess, Connection]] = []

    def kill() -> None:
        for process, _ in started:
            process.kill()

    # where the program fails with a reader that nobody closed, Python would wait for them
    atexit.register(kill)
    try:
        for _ in range(workers):
            with no_interrupt():
                started.append(start(work, context))
        yield from answers(enumerate(pieces), [connection for _, connection in started], meanwhile)
    except Exception:
        raise
    except BaseException:
        kill()
        raise
    finally:
        atexit.unregister(kill)
        for _, connection in started:
            connection.close()
        for process, _ in started:
            process.join()


@contextmanager
def no_interrupt() -> Generator[None]:
    """Ctrl-C waits: else it could come when a process has begun and nobody knows of it, or before that process has its own way with it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(work: Callable[[A], B], context: BaseContext) -> tuple[BaseProcess, Connection]:
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there, here, work))  # ty: ignore[missing-attribute]
    process.start()
    # its end is its own, so that the pipe closes with it
    there.close()
    return process, here


def answers(
    numbered: Iterator[tuple[int, Any]], idle: list[Connection], meanwhile: Callable[[], object] | None
) -> Iterator[tuple[Any, Any]]:
    limit = 2 * len(idle)
    busy: dict[Connection, tuple[int, Any]] = {}
    done: dict[int, tuple[Any, Exception | None, Any]] = {}
    due = 0
    while True:
        # only one that listens is spoken to: neither waits for the other to read
        while idle and len(busy) + len(done) < limit and (one := next(numbered, None)):
            connection = idle.pop()
            place, piece = one
            try:
                connection.send(piece)
                busy[connection] = one
            except (BrokenPipeError, ConnectionResetError):
                done[place] = piece, WorkerDiedError(piece), None
        if meanwhile:
            meanwhile()
            meanwhile = None
        ready = due in done
        if ready:
            piece, error, found = done.pop(due)
            if error:
                raise error
            due += 1
            yield piece, found
        elif not busy:
            return
        for connection in cast("list[Connection]", wait(list(busy), 0 if ready else None)):
            place, piece = busy.pop(connection)
            try:
                done[place] = piece, *connection.recv()
                idle.append(connection)
            except (EOFError, OSError):
                done[place] = piece, WorkerDiedError(piece), None


def serve(connection: Connection, other: Connection, work: Callable[[A], B]) -> None:
    """In the process: answer each piece until the other side is gone, of which a fork has a copy."""
    other.close()
    # Ctrl-C ends it at once, without a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    answer: tuple[Exception | None, B | None]
    while True:
        try:
            piece = connection.recv()
        except (EOFError, ConnectionResetError):
            return
        try:
            answer = None, work(piece)
        except Exception as error:  # noqa: BLE001 - raised on the other side
            # readers that it left open are closed, and with them their processes
            traceback.clear_frames(error.__traceback__)
            error.add_note(f"in a process of its own:\n{traceback.format_exc()}")
            answer = error, None
        try:
            connection.send(answer)
        except (BrokenPipeError, ConnectionResetError):
            return
