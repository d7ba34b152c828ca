"""What is called `python` while models are trained side by side: a stage runs in a fork of the lender, all else as it is.

It is run by its path, alone and without the project, which takes 20 ms. Where nothing is lent, Python itself takes its place.
"""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from types import FrameType

SOCKET, FOLDER = "DECONFUSE_LENDER", "DECONFUSE_BORROWER"
"""Where the lender listens, and the folder on the PATH in which this program is `python`."""
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(words: list[str]) -> None:
    place, folder = os.environ.pop(SOCKET), os.environ.pop(FOLDER)
    os.environ["PATH"] = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != folder)
    if len(words) > 1 and words[0] == "-m" and words[1].startswith("stages."):
        code = borrowed(place, words)
        if code is not None:
            end(code)
    os.execv(sys.executable, [sys.executable, *words])  # noqa: S606  no shell is wanted


def borrowed(place: str, words: list[str]) -> int | None:
    """How a stage ended in a fork, below 0 by a signal; None where none was lent."""
    with socket.socket(socket.AF_UNIX) as connection:
        # signals wait until it is known whom they are for
        signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)
        try:
            process = asked(connection, place, words)
            if process is None:
                return None
            pass_on(process)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
        status = connection.recv(4)
    # nothing comes where the lender was killed: nobody knows how the stage ends
    return int.from_bytes(status, "big", signed=True) if status else 1


def asked(connection: socket.socket, place: str, words: list[str]) -> int | None:
    """The number of the fork's process."""
    text = json.dumps({"words": words, "environment": dict(os.environ), "folder": os.getcwd()}).encode()  # noqa: PTH109  pathlib takes 10 ms
    try:
        connection.connect(place)
        socket.send_fds(connection, [len(text).to_bytes(4, "big")], [0, 1, 2])
        connection.sendall(text)
        found = connection.recv(4)
    except OSError:
        return None
    return int.from_bytes(found, "big") if found else None


def pass_on(process: int) -> None:
    """Let the signals that come here go to a process, but for those that are ignored here, as by `nohup`."""

    def pass_one(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):
            os.kill(process, number)

    for number in PASSED_ON:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, pass_one)


def end(code: int) -> None:
    """End as the fork did."""
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
