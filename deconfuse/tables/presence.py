"""Whether media are where the table says: told after the first cells, not after an hour."""

import os
import unicodedata
from pathlib import Path

from deconfuse.kernel.errors import UserError

TRIED = 50
SHOWN = 5


class Presence:
    """Looks for the files of each modality until one is there."""

    def __init__(self, path: Path, media: dict[str, str]) -> None:
        self.path, self.media = path, media
        self.missing: dict[str, list[str]] = {name: [] for name in media}
        """Modality none of whose files was found yet -> its cells so far."""

    def look(self, cells: dict[str, str]) -> None:
        for name in [name for name in self.missing if cells[name]]:
            if exists(self.media[name], cells[name]):
                del self.missing[name]
            else:
                self.missing[name].append(cells[name])
                if len(self.missing[name]) == TRIED:
                    raise self.absent(name)

    def judge(self) -> None:
        """After the last row. Raises UserError where a modality has cells and no file."""
        for name, cells in self.missing.items():
            if cells:
                raise self.absent(name)

    def absent(self, name: str) -> UserError:
        folder, cells = Path(self.media[name]), self.missing[name]
        count = f"not one of the first {len(cells)} files is" if len(cells) > 1 else "the file is not"
        return UserError(
            f"{self.path}: {count} there that modality {name} names, such as {cells[0]!r}. Paths start at the table's folder, "
            f"{folder.absolute()}, which holds {listing(folder)}; mend the cells, or move the table"
        )


def exists(media: str, cell: str) -> bool:
    """As lenient as decoding: a row of an array file, a path of Windows, and either form of accents will do."""
    # a name too long or with a character that no path has is no file, either
    file, _, row = cell.rpartition(".npy#")
    place = f"{file}.npy" if file and row.isdigit() else cell
    slashed = place.replace("\\", "/")
    forms = (place, slashed, unicodedata.normalize("NFC", slashed), unicodedata.normalize("NFD", slashed))
    return any(os.path.exists(Path(media) / form) for form in forms)  # noqa: PTH110 (Path.exists raises on a name that is too long)


def listing(folder: Path) -> str:
    """What a folder holds, a few names of it."""
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        return f"what cannot be listed ({error.strerror})"
    names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries if not entry.name.startswith("."))
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more if names else "nothing"
