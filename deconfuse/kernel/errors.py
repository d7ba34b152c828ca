"""How a command ends: on an error that is the user's to mend, on a signal, or well."""

import gc
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType


class UserError(Exception):
    """What is wrong, where (file, row, key) and what to do, in words for the person who runs the command."""


class Stopped(BaseException):
    """A signal ended the work; the words say how to go on. No `except Exception` on the way takes it for a fault."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(words)
        self.number = number


@contextmanager
def listening() -> Generator[list[int]]:
    """Let the first SIGTERM, Ctrl-C or closed terminal wait until the work has come to a good place; a second one ends it at once.

    Yields a list that holds the number of the signal once it has come. Whoever does the work looks at it and raises Stopped; where
    nobody did, it is raised at the end.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if came:
            raise Stopped(number, "stopped at once, by a second signal")
        came.append(number)

    numbers = [signal.SIGTERM, signal.SIGINT]
    # `nohup` has it ignored, and Windows has none
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise Stopped(came[0], "stopped")


def command(main: Callable[..., None], *arguments: object) -> None:
    """Run `main(*arguments)` as a process should end.

    The status is 0 when done, 1 with one message on a user's error, 130 on Ctrl-C, 143 on a SIGTERM and 129 on a
    closed terminal that were listened to.
    """
    if not gc.isenabled():
        # a stage has imported what it needs
        gc.freeze()
        gc.enable()
    try:
        main(*arguments)
    except UserError as error:
        sys.exit(f"error: {error}")
    except Stopped as stop:
        print(stop, file=sys.stderr)
        sys.exit(128 + stop.number)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
