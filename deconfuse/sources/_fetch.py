"""Files of public data sets: the mirror first, then their public addresses; what comes is judged by what it holds."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from deconfuse.kernel.errors import UserError
from deconfuse.sources._http import AddressError, Patience, download

FETCHED = Path("data/fetched")
"""Keeps what was fetched, whole or in part, from run to run."""


class Content(NamedTuple):
    """What a file must hold: `digest` of it must be `wanted`."""

    digest: Callable[[Path], str]
    wanted: str


class File(NamedTuple):
    """One file of a data set."""

    name: str
    """Its path below the mirror, e.g. "mnist/train-images-idx3-ubyte.gz"."""
    addresses: tuple[str, ...]
    content: Content
    largest: int = 1 << 30
    """Bytes after which a download is given up."""
    folder: bool = False
    """Whether it is a folder, which only a mirror folder can hold."""


USUAL = Patience()


def fetch(file: File, mirror: str | None, patience: Patience = USUAL) -> Path:
    """The path of a file that holds what it should: in a mirror folder, kept from an earlier run, or downloaded now.

    Raises UserError that lists every place and why it does not serve.
    """
    return first([file], mirror, patience)[1]


def first(files: list[File], mirror: str | None, patience: Patience = USUAL) -> tuple[File, Path]:
    """The first of several files, each as good as another, that can be had, and its path; all are looked for in the mirror first.

    Raises UserError as `fetch` does.
    """
    reasons: list[str] = []
    for file in files:
        if path := _at_hand(file, mirror, reasons):
            return file, path
    for file, address in _addresses(files, mirror):
        kept = FETCHED / file.name
        try:
            _get(address, kept, file, patience)
        except AddressError as error:
            reasons.append(f"{address}: {error}")
        except OSError as error:
            raise UserError(f"{kept} cannot be written: {error}") from None
        else:
            return file, kept
    tried = "".join(f"\n  {reason}" for reason in reasons)
    wanted = " or ".join(file.name for file in files)
    raise UserError(f"{files[0].name} cannot be had:{tried}\nset data.mirror to a folder that holds {wanted}")


def _at_hand(file: File, mirror: str | None, reasons: list[str]) -> Path | None:
    """Where the file is on this machine; why a mirror folder does not serve is added to `reasons`."""
    if mirror is not None and "://" not in mirror:
        path = Path(mirror) / file.name
        if (fault := _fault(path, file.content)) is None:
            return path
        reasons.append(f"{path}: {fault}")
    kept = FETCHED / file.name
    # what only a mirror has is not taken once that mirror is no longer wanted
    wanted = file.addresses or (mirror is not None and "://" in mirror)
    return kept if wanted and _fault(kept, file.content) is None else None


def _addresses(files: list[File], mirror: str | None) -> list[tuple[File, str]]:
    at_mirror = [(file, f"{mirror.rstrip('/')}/{file.name}") for file in files if mirror and "://" in mirror and not file.folder]
    return at_mirror + [(file, address) for file in files for address in file.addresses]


def sha256(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    return _hash(path, "sha256")


def md5(path: Path) -> str:
    """MD5 (hex) of a file: what some publishers give."""
    return _hash(path, "md5")


def _hash(path: Path, name: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()


def _fault(path: Path, content: Content) -> str | None:
    """What is wrong with what a file holds; None: nothing."""
    try:
        if not path.exists():
            return "it is not there"
        found = content.digest(path)
    except (UserError, OSError, EOFError, ValueError) as error:
        return str(error)
    return None if found == content.wanted else f"its content has the hash {found} instead of {content.wanted}"


def _get(address: str, kept: Path, file: File, patience: Patience) -> None:
    """Download to `kept`, or raise AddressError."""
    # parts of two addresses are never joined: they may pack the same content in two ways
    part = kept.with_name(f"{kept.name}.{hashlib.sha256(address.encode()).hexdigest()[:8]}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    resumed = part.exists()
    download(address, part, file.largest, patience)
    fault = _fault(part, file.content)
    if fault is not None:
        part.unlink()
        if not resumed:
            raise AddressError(fault)
        # what an earlier run left may be of another day's file
        return _get(address, kept, file, patience)
    with part.open("rb") as done:
        os.fsync(done.fileno())
    part.replace(kept)
    return None
