"""`python -m deconfuse.live LOG PID`: draw the log of the training that the process PID does; `deconfuse/training/journal.py` starts it.

It reads `tracking:` of params.yaml by itself, so that no training depends on that section; it gives way to everything else on the
machine; and it ends when the training does, however that ends.
"""

import os
import signal
import sys
import time
from pathlib import Path

PATIENCE = 60
"""Seconds after the end of the training in which its last lines must be drawn."""
SHORT = 1.0
"""A training of so many seconds is not worth the imports that it takes to look at the params."""


def main(log: str, training: str) -> None:
    os.nice(15)
    began = time.monotonic()

    def goes_on() -> bool:
        # an orphan has another parent
        return os.getppid() == int(training)

    time.sleep(SHORT)
    if not goes_on():
        return
    from deconfuse.kernel.params import check, load
    from deconfuse.params.tracking import Tracking

    settings = check(load().get("tracking") or {}, Tracking, "tracking")
    if settings.live is None:
        return
    while goes_on() and time.monotonic() - began < settings.live:
        time.sleep(0.2)
    if goes_on():
        from deconfuse.tracking.live import follow

        # a store that does not answer must not keep this process alive
        follow(Path(log), settings.experiment, goes_on, last=lambda: signal.alarm(PATIENCE))


if __name__ == "__main__":
    main(*sys.argv[1:])
