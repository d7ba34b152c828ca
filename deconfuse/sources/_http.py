"""One file from one http(s) address: resumed, retried, never taken for whole when it is not."""

import email.utils
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

CHUNK = 1 << 16
LATER = {408, 425, 429, 500, 502, 503, 504}


class Patience(NamedTuple):
    """How long a server is waited for."""

    tries: int = 5
    timeout: float = 30.0
    """Seconds without any byte after which a try has failed."""
    pause: float = 1.0
    """Seconds before the second try; each later pause is twice as long."""
    longest: float = 60.0
    """Seconds that a server may ask to be left alone for."""


class AddressError(Exception):
    """This address does not give the file; why, in words."""


class TryError(Exception):
    """This try failed, another may not; why, and after how many seconds the server wants it (None: it did not say)."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def download(address: str, part: Path, largest: int, patience: Patience) -> None:
    """Bring what lies at `address` into the file `part`; what that holds already is not fetched again where the server can resume.

    Raises AddressError; `part` then keeps what came.
    """
    if urlsplit(address).scheme not in ("http", "https"):
        raise AddressError("it is no http or https address")
    with requests.Session() as session:
        session.max_redirects = 5
        for turn in range(1, patience.tries + 1):
            try:
                _once(session, address, part, largest, patience.timeout)
            except TryError as error:
                if turn == patience.tries:
                    raise AddressError(f"{error} (tried {turn} times)") from None
                wait = patience.pause * 2 ** (turn - 1) if error.wait is None else error.wait
                time.sleep(min(wait, patience.longest))
            else:
                return


def _once(session: requests.Session, address: str, part: Path, largest: int, timeout: float) -> None:
    have = part.stat().st_size if part.exists() else 0
    # packed on the way, a length would be of something else than what is kept
    asked = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with closing(session.get(address, headers=asked, stream=True, timeout=timeout)) as answer:
            start = _start(answer, have, part)
            _save(answer, part, start, largest)
    except (requests.ConnectionError, requests.Timeout, urllib3.exceptions.HTTPError) as error:
        if isinstance(error, requests.exceptions.SSLError) or "NameResolutionError" in str(error) or "ProxyError" in repr(error):
            raise AddressError(_plain(error)) from None
        raise TryError(_plain(error)) from None
    except requests.RequestException as error:
        raise AddressError(_plain(error)) from None


def _start(answer: requests.Response, have: int, part: Path) -> int:
    """At which byte the body goes on, judged by status and headers."""
    if answer.status_code in LATER:
        raise TryError(f"the server answers {answer.status_code} {answer.reason}", _wait(answer.headers.get("Retry-After")))
    if answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        return have
    if answer.status_code in (206, 416):
        # another part than was asked for, or none: what lies here is not the beginning of what lies there
        part.unlink(missing_ok=True)
        raise TryError("the server cannot go on where the last try ended", 0)
    if answer.status_code != 200:
        raise AddressError(f"the server answers {answer.status_code} {answer.reason}")
    return 0


def _save(answer: requests.Response, part: Path, start: int, largest: int) -> None:
    length = answer.headers.get("Content-Length", "")
    whole = start + int(length) if length.isdecimal() else None
    if whole is not None and whole > largest:
        raise AddressError(f"it is {whole:,} bytes long, where at most {largest:,} are expected")
    bar = tqdm(desc=part.stem, total=whole, initial=start, unit="B", unit_scale=True, disable=None, leave=False, dynamic_ncols=True)
    size = start
    with part.open("ab" if start else "wb") as file, bar:
        for piece in _body(answer, start):
            size += len(piece)
            if size > largest:
                raise AddressError(f"it is longer than the {largest:,} bytes that are expected")
            file.write(piece)
            bar.update(len(piece))
    if whole is not None and size != whole:
        raise TryError(f"the connection ended after {size:,} of {whole:,} bytes")


def _body(answer: requests.Response, start: int) -> Iterator[bytes]:
    """The body as it was sent: a .gz file that is called "encoded" on the way is kept as it is."""
    for place, piece in enumerate(answer.raw.stream(CHUNK, decode_content=False)):
        if place == 0 and start == 0 and piece.lstrip()[:14].lower().startswith((b"<!doctype html", b"<html")):
            raise AddressError("an HTML page came instead of data: a login, a notice or an error")
        yield piece


def _wait(retry_after: str | None) -> float | None:
    """Seconds, given as such or as a date."""
    if retry_after is None:
        return None
    if retry_after.isdecimal():
        return float(retry_after)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


def _plain(error: Exception) -> str:
    """The cause, without the names of Python's objects around it."""
    text = str(error).lower()
    if isinstance(error, requests.TooManyRedirects):
        return "it redirects without end"
    if isinstance(error, requests.exceptions.InvalidSchema):
        return "it redirects to what is no http or https address"
    if "nameresolution" in text:
        return "the name of the server is not known here; is there a connection?"
    if "timed out" in text:
        return "the server does not answer in time"
    if "refused" in text:
        return "the server refuses the connection"
    if "incompleteread" in text or "aborted" in text or "broken" in text or "reset" in text:
        return "the connection was dropped"
    return f"{type(error).__name__}: {error}"
