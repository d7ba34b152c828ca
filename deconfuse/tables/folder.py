"""A folder with a folder a class, or with train, val and test above the classes: a file is a row."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import Place, Rejected, Row
from deconfuse.tables.plain import lines
from deconfuse.tables.presence import listing
from deconfuse.tables.records import Table
from deconfuse.tables.rows import SPLIT_OF, UnfitError, writable

SUFFIXES = {
    "image": "png jpg jpeg webp gif bmp tif tiff",
    "audio": "wav flac ogg mp3 aiff aif opus m4a",
    "video": "mp4 avi mkv mov webm mpg mpeg m4v",
    "text": "txt",
}
KIND_OF = {f".{suffix}": kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes.split()}
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".gz")
JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
SHAPE = "one folder a class is expected, with or without train, val and test above: cats/1.png, dogs/2.png, or train/cats/1.png"

SHOWN = 3
Left = tuple[str, str]
"""What was left out, and an example."""


@dataclass(frozen=True)
class File:
    """One file of a class."""

    number: int
    """Its place among all files, from 1."""
    split: str
    """The split's folder as it is called; "" where there is none."""
    label: str
    path: PurePosixPath
    """Below the whole folder."""
    kind: str

    @property
    def stem(self) -> PurePosixPath:
        """Path below the split's folder, without suffix."""
        return self.path.relative_to(self.split).with_suffix("")


def open_folder(folder: Path, encoding: str) -> Table:
    """Files of one stem and different kinds are one row, with a modality a kind; the label is the folder's name.

    A text file's content is the cell. Folders inside a class belong to it; links to folders inside a class are not followed, so
    that none leads in circles. Raises UserError where there are no folders of classes, or nothing in them.
    """
    left: Counter[Left] = Counter()
    files = list(walk(folder, left))
    if not files:
        raise UserError(
            f"{folder} holds no pictures, sounds, clips or texts (.png, .jpg, .wav, .mp4, .txt, ...) in folders of classes; {SHAPE}"
        )
    kinds = sorted({file.kind for file in files})
    places = {kind: Place(kind, "" if kind == "text" else folder.as_posix()) for kind in kinds}
    return Table(places, [], rows(folder, files, kinds, encoding), notes(left))


def notes(left: Counter[Left]) -> list[str]:
    """What was left out, with some examples."""
    told = []
    for what in sorted({what for what, _ in left}):
        counts = {example: count for (kind, example), count in left.items() if kind == what}
        examples = ", ".join([*sorted(counts)[:SHOWN], *["..."] * (len(counts) > SHOWN)])
        # a name may hold bytes that are no text
        told.append(f"left out: {what} ({examples}): {sum(counts.values())}".encode(errors="replace").decode())
    return told


def walk(folder: Path, left: Counter[Left]) -> Iterator[File]:
    """All files of all classes in their order; counts what is left out."""
    number = 0
    for split, classes in sections(folder, left):
        for place in classes:
            found = 0
            for path in inside(place, left):
                kind = KIND_OF.get(path.suffix.lower())
                if kind is None:
                    left["files of an unknown kind", path.suffix or "no suffix"] += 1
                else:
                    found, number = found + 1, number + 1
                    yield File(number, split, place.name, PurePosixPath(path.relative_to(folder).as_posix()), kind)
            if not found:
                left["folders of a class without media", place.name] += 1


def sections(folder: Path, left: Counter[Left]) -> list[tuple[str, list[Path]]]:
    """Folders of classes by the folder of their split, "" where classes come first."""
    tops = folders(folder)
    splits = [top for top in tops if top.name.casefold() in SPLIT_OF and folders(top)]
    loose = [path for path in visible(folder) if path.is_file()]
    tables = [path.name for path in loose if path.name.lower().endswith(TABLES)]
    meant = f"; did you mean data.source: {folder / tables[0]}?" if len(tables) == 1 else ""
    if not tops:
        raise UserError(f"{folder} has no folders of classes, it holds {listing(folder)}; {SHAPE}{meant}")
    if splits and len(splits) < len(tops):
        rest = ", ".join([top.name for top in tops if top not in splits][:5])
        raise UserError(f"{folder}: beside the split {splits[0].name}, these are no splits or hold no classes: {rest}; {SHAPE}{meant}")
    if tables and not splits:
        raise UserError(
            f"{folder} holds a table ({', '.join(tables[:5])}) beside its folders: name the table as data.source, or move it away "
            f"if the folders are classes{meant}"
        )
    if not splits and all(top.name.casefold() in SPLIT_OF for top in tops):
        raise UserError(f"{folder}: {', '.join(top.name for top in tops)} hold no folders of classes; {SHAPE}")
    outside = loose + [path for split in splits for path in visible(split) if path.is_file()]
    left.update(("files outside folders of classes", path.name) for path in outside)
    return [(split.name, folders(split)) for split in splits] or [("", tops)]


def visible(folder: Path) -> list[Path]:
    """What a folder holds but for hidden files and what systems leave behind, sorted."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise UserError(f"{folder} cannot be read ({error.strerror})") from None
    return [folder / name for name in names if not name.startswith(".") and name.casefold() not in JUNK]


def folders(folder: Path) -> list[Path]:
    return [path for path in visible(folder) if path.is_dir()]


def inside(folder: Path, left: Counter[Left]) -> Iterator[Path]:
    """All regular files below a folder."""
    waiting = [folder]
    while waiting:
        for path in visible(waiting.pop(0)):
            if path.is_symlink() and path.is_dir():
                left["links to folders", path.name] += 1
            elif path.is_dir():
                waiting.append(path)
            elif path.is_file():
                yield path
            else:
                left["broken links and other entries that are no files", path.name] += 1


def rows(folder: Path, files: list[File], kinds: list[str], encoding: str) -> Iterator[Row | Rejected]:
    groups = grouped(files)
    names = identities(groups)
    for name, group in zip(names, groups, strict=True):
        first = group[0]
        try:
            own = {file.kind: content(folder / file.path, encoding) if file.kind == "text" else str(file.path) for file in group}
            cells = {kind: writable(kind, own.get(kind, "")) for kind in kinds}
            if not any(cell.strip() for cell in cells.values()):
                raise UnfitError("text", "the file holds no text")
            yield Row(first.number, writable("id", name), SPLIT_OF[first.split.casefold()], writable("label", first.label.strip()), cells)
        except UnfitError as fault:
            yield Rejected(first.number, name.encode(errors="replace").decode(), fault.column, fault.reason)


def grouped(files: list[File]) -> list[list[File]]:
    """The files of each row: those of one stem, but where two of them are of one kind."""
    stems: dict[PurePosixPath, list[File]] = {}
    for file in files:
        stems.setdefault(file.path.with_suffix(""), []).append(file)
    return [
        row
        for group in stems.values()
        for row in ([group] if len({file.kind for file in group}) == len(group) else [[file] for file in group])
    ]


def identities(groups: list[list[File]]) -> list[str]:
    """A name a row: its stem; with suffix where a stem makes several rows, and with the split's folder where splits share names."""
    several = Counter(group[0].path.with_suffix("") for group in groups)
    names = []
    for group in groups:
        file = group[0]
        alone = several[file.path.with_suffix("")] == 1
        names.append(str(file.stem if alone else file.path.relative_to(file.split)))
    if len(set(names)) == len(names):
        return names
    return [str(PurePosixPath(group[0].split) / name) for name, group in zip(names, groups, strict=True)]


def content(path: Path, encoding: str) -> str:
    """A text file's text. Raises UnfitError where it is none."""
    try:
        return "".join(lines(path, encoding))
    except UserError as error:
        raise UnfitError("text", str(error)) from None
