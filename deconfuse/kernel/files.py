"""Files written whole or not at all, and digests of what they hold."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from deconfuse.kernel.errors import UserError

# no space, a quota, a limit on the size of files
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class DiskFullError(UserError):
    """There is no room for a file; the message says for how many bytes."""


@contextmanager
def whole(path: Path) -> Generator[Path]:
    """Yield a temporary name beside `path` for a file or a folder, and rename it to `path` when the block ends well.

    A reader sees the old content or the new, never a part; after an error the old content stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            # a rename cannot put a folder over a full one
            remove(path)
        temporary.replace(path)
    finally:
        remove(temporary)


def remove(path: Path) -> None:
    """Delete a file or a folder; nothing happens where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole, so that it outlives a power cut, too. Raises DiskFullError; the old content stands then."""
    try:
        with whole(path) as temporary, temporary.open("wb") as file:
            file.write(content)
            file.flush()
            # else the name could reach the disk before the content
            os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in FULL:
            raise
        free = shutil.disk_usage(path.parent).free
        raise DiskFullError(f"{path}: the disk is full: {len(content):,} bytes are needed, {free:,} are free ({error.strerror})") from None


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole. Raises DiskFullError."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: object) -> None:
    """Write JSON with sorted keys, so that equal values are equal bytes; NaN and infinity are refused."""
    write_text(path, json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> dict:
    """Read a JSON object that an earlier stage wrote.

    Raises UserError where the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); remove it and run `dvc repro`") from None


def digest_json(value: object) -> str:
    """SHA-256 (hex) of a value as canonical JSON: key order and spacing do not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_data(schema: dict, specs: dict[str, dict]) -> str:
    """SHA-256 (hex) of what a model learns from: `data/prepared/schema.json`, and the `spec.json` of each of its modalities."""
    return digest_json([schema["digest"], {modality: spec["digest"] for modality, spec in specs.items()}])


def digest_files(root: Path, paths: list[Path]) -> str:
    """SHA-256 (hex) over the names (relative to `root`) and contents of files, in sorted order."""
    total = hashlib.sha256()
    for path in sorted(paths):
        content = hashlib.sha256(path.read_bytes()).digest()
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + content)
    return total.hexdigest()
