"""The one kind of error that is the user's to mend, and how a command ends on it."""

import sys
from collections.abc import Callable


class UserError(Exception):
    """What is wrong, where (file, row, key) and what to do, in words for the person who runs the command."""


def command(main: Callable[..., None], *arguments: object) -> None:
    """Run `main(*arguments)` as a process should end: 0 when done, 1 with one message on a user's error, 130 on Ctrl-C."""
    try:
        main(*arguments)
    except UserError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
