"""An array on disk, mapped and not read."""

from pathlib import Path

import numpy as np

from deconfuse.kernel.errors import UserError


def mapped(path: Path, rows: int) -> np.ndarray:
    """An array of so many rows. Raises UserError: a map of a file that is too short would kill the process."""
    try:
        values = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except (OSError, ValueError, EOFError):
        raise UserError(f"{path} is damaged or cut off ({path.stat().st_size:,} bytes); remove it and run `dvc repro`") from None
    if len(values) != rows:
        raise UserError(f"{path} has {len(values)} rows where the split has {rows}; remove it and run `dvc repro`")
    return values
