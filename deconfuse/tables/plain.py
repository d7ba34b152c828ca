"""Lines of a text file in any encoding, gzip-compressed or not; a byte that is no text is found and named."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from deconfuse.kernel.errors import UserError

# in this order: the mark of UTF-32 begins with that of UTF-16
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
BLOCK = 1 << 20


def lines(path: Path, encoding: str) -> Iterator[str]:
    """All lines with their ends (LF, CR LF or CR) as they are; a byte order mark goes before the encoding asked for.

    Raises UserError with line and byte on what is no text.
    """
    try:
        encoding = known(path, encoding)
        yield from decoded(path, encoding)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path} cannot be read ({error})") from None


def decoded(path: Path, encoding: str) -> Iterator[str]:
    try:
        with opened(path) as binary, io.TextIOWrapper(binary, encoding, newline="") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise UserError(f"{path}, line {number}, holds a NUL byte: it is no table{hint(encoding)}")
                yield line
    except UnicodeError:
        line, byte = damage(path, encoding)
        raise UserError(f"{path}, line {line}: byte {byte} of the file is no {encoding} text{hint(encoding)}") from None


def opened(path: Path) -> BinaryIO:
    """The bytes of a file, unpacked where its name ends in .gz."""
    return cast(BinaryIO, gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb"))


def known(path: Path, encoding: str) -> str:
    """The encoding that the file's mark names, or else the one asked for, if there is such a one."""
    with opened(path) as file:
        start = file.read(4)
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), encoding)
    try:
        # a codec that does not make text out of bytes, such as base64, is found out here only
        codecs.getincrementaldecoder(marked)
        "".encode(marked)
    except (LookupError, TypeError, ValueError):
        raise UserError(f"data.encoding: there is no encoding {encoding!r}; there are utf-8, utf-16, latin-1, cp1252, ...") from None
    return marked


def hint(encoding: str) -> str:
    others = [name for name in ("utf-8", "utf-16", "latin-1") if name != codecs.lookup(encoding).name]
    return f"; if the table is written otherwise, say so in params.yaml, e.g. data.encoding: {' or '.join(others)}"


def damage(path: Path, encoding: str) -> tuple[int, int]:
    """Line (from 1) and byte (from 0, of what is unpacked) at which decoding fails.

    A second pass, since the reader of the first knows its place within a block only.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    line, done = 1, 0
    with opened(path) as file:
        while block := file.read(BLOCK):
            pending = len(decoder.getstate()[0])
            try:
                line += ends(decoder.decode(block))
            except UnicodeDecodeError as error:
                return line + ends(error.object[: error.start].decode("latin-1")), done - pending + error.start
            except UnicodeError:
                break
            done += len(block)
    # what is left over is the start of a character
    return line, done - len(decoder.getstate()[0])


def ends(text: str) -> int:
    """Line ends, of whichever kind the file has."""
    return max(text.count("\n"), text.count("\r"))
