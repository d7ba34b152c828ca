"""The environment in which stages borrow a process that has torch in memory."""

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from deconfuse.lineup.borrower import FOLDER, SOCKET

BORROWER = Path(__file__).with_name("borrower.py")


@contextmanager
def lending() -> Generator[dict[str, str]]:
    """Variables for DVC's processes, by which `python -m stages.NAME` becomes a fork of a lender; none but on Linux, where forks are safe.

    On leaving, the lender ends once all that it has lent has ended.
    """
    if sys.platform != "linux":
        yield {}
        return
    with TemporaryDirectory(prefix="deconfuse-") as folder:
        place, program = f"{folder}/socket", Path(folder, "python")
        # not by its first line, which takes no spaces in a path
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(str(BORROWER))} "$@"\n', encoding="utf-8")
        program.chmod(0o755)
        with socket.socket(socket.AF_UNIX) as listener:
            # here, so that nobody comes before there is a place to wait at
            listener.bind(place)
            listener.listen()
            process = lender(listener.fileno())
        try:
            yield {"PATH": os.pathsep.join([folder, os.environ["PATH"]]), SOCKET: place, FOLDER: folder}
        finally:
            assert process.stdin is not None
            process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)


def lender(listener: int) -> subprocess.Popen[bytes]:
    words, quiet = [sys.executable, "-m", "deconfuse.lineup.lender", str(listener)], subprocess.DEVNULL
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, process_group=0, pass_fds=[listener])
