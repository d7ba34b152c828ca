"""Trains a model and halts where a test wants to do something in mid-training.

    python tests/halting.py MODEL [EPOCH ...]

After each of these epochs the process stops itself, as by Ctrl-Z, until it gets SIGCONT.
"""

import os
import signal
import sys

import stages.train
from deconfuse.kernel.errors import command
from deconfuse.training.journal import Journal
from deconfuse.training.state import State


def main(name: str, *epochs: str) -> None:
    left, follow = list(map(int, epochs)), Journal.follow

    def halt(journal: Journal, seed: int, state: State) -> None:
        follow(journal, seed, state)
        if left and len(state.rows) == left[0]:
            left.pop(0)
            os.kill(os.getpid(), signal.SIGSTOP)

    Journal.follow = halt
    command(stages.train.main, name)


if __name__ == "__main__":
    main(*sys.argv[1:])
