"""What goes wrong between us and a store: in one line, and tried again where that helps."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from deconfuse.kernel.errors import UserError

Result = TypeVar("Result")
PAUSES = (0.3, 1.0, 3.0)
"""Seconds before each further attempt."""
UNKNOWN, FORBIDDEN = 401, 403
CONFLICTS = (400, 409)


def one_line(error: Exception) -> str:
    """An error in one line, without the password of an address."""
    # what SQLAlchemy puts before its errors on the way says nothing
    lines = [line for line in str(error).strip().splitlines() if not line.startswith("(raised as a result of")] or [""]
    text = re.sub(r"(?<=://)[^/@\s]+@", "", lines[0])[:300]
    if status(error) == UNKNOWN:
        return "the server knows no such name and password (401): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
    if status(error) == FORBIDDEN:
        return f"the server does not let this account do that (403): {text}"
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def status(error: Exception) -> int | None:
    """The HTTP status that an error of MLflow's client stands for."""
    # MLflow raises its own class or that of requests, and neither is worth an import here
    own = getattr(error, "get_http_status_code", None)
    return own() if own else getattr(getattr(error, "response", None), "status_code", None)


def again(draw: Callable[[], Result]) -> Result:
    """Do what leaves the same when it is done twice; where someone else on the same server came between, once more."""
    for pause in PAUSES:
        try:
            return draw()
        except Exception as error:
            if status(error) not in CONFLICTS:
                raise
            time.sleep(pause)
    return draw()


def permitted(do: Callable[[], object]) -> bool:
    """Do something, unless the server does not let this account do it; whether it does."""
    try:
        do()
    except Exception as error:
        if status(error) != FORBIDDEN:
            raise
        return False
    return True
