"""What an archive holds, read member by member: nothing in it can choose where a file is written.

Python's own `extractall` with its "data" filter could be led outside its folder (CVE-2025-4517), so it is not used.
"""

import bz2
import gzip
import hashlib
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple, Protocol

from deconfuse.kernel.errors import UserError

OPEN = {b"\x1f\x8b": gzip.open, b"\xfd7": lzma.open, b"BZ": bz2.open}
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, NotImplementedError)


class Caps(NamedTuple):
    """What an archive may unpack to."""

    size: int = 2 << 30
    """Bytes of all members."""
    count: int = 200_000
    """Members, folders included."""
    ratio: int = 200
    """Bytes for each byte of the archive, beyond the first mebibyte."""

    def allowed(self, path: Path) -> int:
        return min(self.size, self.ratio * path.stat().st_size + (1 << 20))


USUAL = Caps()


def members(path: Path, caps: Caps = USUAL) -> Iterator[tuple[str, bytes]]:
    """Name (with /) and content of every file in a zip or a tar (plain, .gz, .bz2, .xz), in its order; or in a folder, sorted.

    Raises UserError, naming archive and member, for anything that is no file or folder, for a name that leads outside, for
    more than `caps` allow, and for damage.
    """
    if path.is_dir():
        yield from ((file.relative_to(path).as_posix(), file.read_bytes()) for file in sorted(path.rglob("*")) if file.is_file())
        return
    names: set[str] = set()
    read = _zip if zipfile.is_zipfile(path) else _tar
    try:
        for count, (name, content) in enumerate(read(path, caps.allowed(path)), start=1):
            if count > caps.count:
                raise UserError(f"{path} holds more than {caps.count:,} members; it is not unpacked")
            if content is not None:
                yield _new(path, name, names), content
            else:
                _inside(path, name)
    except DAMAGE as error:
        raise UserError(f"{path} cannot be unpacked: {error or type(error).__name__}; remove it, so that it is fetched anew") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from None


def _inside(path: Path, name: str) -> str:
    pure = PurePosixPath(name)
    windows = PureWindowsPath(name)
    if pure.is_absolute() or windows.drive or "\\" in name or "\0" in name or ".." in pure.parts:
        raise UserError(f"{path}: the member {name!r} leads outside; nothing of this archive is used")
    return str(pure)


def _new(path: Path, name: str, names: set[str]) -> str:
    clean = _inside(path, name)
    if clean in names:
        raise UserError(f"{path}: the member {name!r} is there twice; nothing of this archive is used")
    names.add(clean)
    return clean


def _zip(path: Path, allowed: int) -> Iterator[tuple[str, bytes | None]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            kind = stat.S_IFMT(member.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise UserError(f"{path}: the member {member.filename!r} is a link or a device; nothing of this archive is used")
            if member.flag_bits & 1:
                raise UserError(f"{path}: the member {member.filename!r} is encrypted")
            content = None
            if not member.is_dir():
                with archive.open(member) as file:
                    content = Counted(file, path, allowed).read()
                allowed -= len(content)
            yield member.filename, content


def _tar(path: Path, allowed: int) -> Iterator[tuple[str, bytes | None]]:
    with path.open("rb") as file:
        unpack = OPEN.get(file.read(2), io.BufferedReader)
        file.seek(0)
        # the cap counts all that is unpacked, the long headers that a tar may claim to have included
        with unpack(file) as plain, tarfile.open(fileobj=Counted(plain, path, allowed), mode="r|") as archive:  # ty: ignore[no-matching-overload]
            for member in archive:
                if not (member.isreg() or member.isdir()):
                    raise UserError(f"{path}: the member {member.name!r} is a link or a device; nothing of this archive is used")
                if member.size > allowed:
                    raise _too_much(path, allowed)
                content = archive.extractfile(member)
                yield member.name, content.read() if content else None


class Readable(Protocol):
    """All that is asked of a file here."""

    def read(self, size: int = ..., /) -> bytes: ...


class Counted:
    """A file of which no more than `allowed` bytes are read."""

    def __init__(self, file: Readable, path: Path, allowed: int) -> None:
        self.file, self.path, self.allowed = file, path, allowed

    def read(self, size: int = -1) -> bytes:
        wanted = self.allowed + 1 if size < 0 else min(size, self.allowed + 1)
        content = self.file.read(wanted)
        if len(content) > self.allowed:
            raise _too_much(self.path, self.allowed)
        self.allowed -= len(content)
        return content


def _too_much(path: Path, allowed: int) -> UserError:
    return UserError(f"{path} unpacks to far more than it should (over {allowed:,} bytes); it is not used")


def digest(found: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 (hex) over names and contents, whatever their order: equal for a folder and for any way to pack it."""
    lines = sorted(f"{hashlib.sha256(content).hexdigest()} {name}\n" for name, content in found)
    return hashlib.sha256("".join(lines).encode()).hexdigest()
