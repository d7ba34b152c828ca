"""A process that has torch in memory and lends itself: a stage that runs in a fork of it does without two seconds of imports.

    python -m deconfuse.lineup.lender NUMBER

`lending.py` starts it, with the number of the open file at which it listens.
`borrower.py` asks for a fork, with its own arguments, environment, folder and open files, and ends as the fork ends: DVC and the user
see the stage that they would see anyhow. The lender ends with its standard input, once all that it lent has ended.
"""

import gc
import json
import os
import runpy
import selectors
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any

MODULES = ("torch", "numpy", "pydantic", "ruamel.yaml", "safetensors.torch", "tqdm", "einops", "jaxtyping", "filelock")
"""What stages with a model import of others; nothing of this project, since a run's digest is of its code that has been imported."""


class Lender:
    """Waits for requests."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.chooser = selectors.DefaultSelector()
        self.lent: dict[int, tuple[int, socket.socket]] = {}
        """A fork's pidfd -> its number, and the connection to who asked for it."""

    def serve(self) -> dict[str, Any] | None:
        """In each fork the request that it is for; in the lender, at the end, None."""
        self.chooser.register(self.listener, selectors.EVENT_READ)
        self.chooser.register(0, selectors.EVENT_READ)
        has_owner = True
        while has_owner or self.lent:
            for key, _ in self.chooser.select():
                if key.fileobj is self.listener:
                    request = self._lend(self.listener.accept()[0])
                    if request is not None:
                        return request
                elif key.fd == 0:
                    has_owner = False
                    self.chooser.unregister(0)
                elif key.fd in self.lent:
                    self._take_back(key.fd)
                else:
                    self._lost(key.fileobj)
        return None

    def _lend(self, connection: socket.socket) -> dict[str, Any] | None:
        asked = received(connection)
        if asked is None:
            connection.close()
            return None
        request, files = asked
        child = os.fork()
        if child == 0:
            self._forget(connection)
            return request | {"files": files}
        for file in files:
            os.close(file)
        process = os.pidfd_open(child)
        self.lent[process] = child, connection
        self.chooser.register(process, selectors.EVENT_READ)
        self.chooser.register(connection, selectors.EVENT_READ)
        with suppress(OSError):
            connection.send(child.to_bytes(4, "big"))
        return None

    def _forget(self, connection: socket.socket) -> None:
        """In a fork: close what is the lender's."""
        self.chooser.close()
        for process, (_, other) in self.lent.items():
            os.close(process)
            other.close()
        for own in (self.listener, connection):
            own.close()

    def _take_back(self, process: int) -> None:
        """Tell how a fork has ended."""
        child, connection = self.lent.pop(process)
        _, status = os.waitpid(child, 0)
        self.chooser.unregister(process)
        os.close(process)
        if connection.fileno() >= 0:
            self.chooser.unregister(connection)
            with suppress(OSError):
                connection.send(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
            connection.close()

    def _lost(self, connection: Any) -> None:
        """Who asked for a fork was killed: so that nothing works for nobody, the fork is asked to stop."""
        if connection.fileno() < 0:
            return
        for child, other in self.lent.values():
            if other is connection:
                os.kill(child, signal.SIGTERM)
        self.chooser.unregister(connection)
        connection.close()


def received(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """A request and its three standard files; None where who asks is gone."""
    head, files, _, _ = socket.recv_fds(connection, 4, 3)
    size, text = int.from_bytes(head, "big"), b""
    while len(text) < size:
        more = connection.recv(size - len(text))
        if not more:
            return None
        text += more
    return (json.loads(text), files) if len(files) == 3 else None


def become(request: dict[str, Any]) -> None:
    """Be the process that asked, as `python -m MODULE ...` would have been."""
    # of a group of its own: it gets the signals of who asked from there, each once
    os.setpgid(0, 0)
    for place, file in enumerate(request["files"]):
        os.dup2(file, place)
        os.close(file)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    for name in [name for name in sys.modules if name.split(".")[0] == "deconfuse"]:
        del sys.modules[name]
    gc.unfreeze()
    _, module, *words = request["words"]
    sys.argv, sys.path[0] = ["", *words], request["folder"]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main(listener: socket.socket) -> dict[str, Any] | None:
    # Ctrl-C is for the stages, and waits until a fork is one
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    # where the system has none, it is better to fail before anything is lent
    os.close(os.pidfd_open(os.getpid()))
    for name in MODULES:
        import_module(name)
    gc.collect()
    # what is never looked at is never copied
    gc.freeze()
    return Lender(listener).serve()


if __name__ == "__main__":
    wanted = main(socket.socket(fileno=int(sys.argv[1])))
    if wanted is not None:
        become(wanted)
