"""Which column is what: by its name, or as `data.columns` says."""

import re
from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from deconfuse.kernel.errors import UserError
from deconfuse.manifest import FIXED
from deconfuse.params.data import Columns, Kind, Modality

ROLES = {
    "id": ("id", "key", "uid", "sample_id"),
    "split": ("split", "subset", "partition"),
    "label": ("label", "class", "target", "category", "y"),
}
KINDS: dict[Kind, tuple[str, ...]] = {
    "image": ("image", "img", "picture", "photo"),
    "audio": ("audio", "sound", "speech", "wav"),
    "text": ("text", "sentence", "caption", "question", "transcript"),
    "video": ("video", "clip", "movie"),
}
KIND_OF = {word: kind for kind, words in KINDS.items() for word in words}
PATH = r"_(?:file_?name|file_?path|file|path)"
NAMED_AS_MEDIA = re.compile(rf"(?P<name>(?:.*_)?(?P<word>{'|'.join(KIND_OF)}))(?P<end>(?:_?\d+|{PATH})*)")
LOOKS_LIKE_DATA = re.compile(
    r"(?i)-?\d+([.,]\d+)?|.*\.(png|jpe?g|webp|gif|bmp|tiff?|wav|flac|ogg|mp3|mp4|avi|mkv|mov|webm|txt)|train|val|test"
)


@dataclass(frozen=True)
class Chosen:
    """The columns by what they are."""

    id: str | None
    split: str | None
    label: str | None
    """None where no labels are wanted."""
    modalities: dict[str, Modality]
    """Modality -> its kind and its column, which is never null here."""

    @property
    def taken(self) -> set[str]:
        media = {modality.column for modality in self.modalities.values()}
        return {name for name in (self.id, self.split, self.label, *media) if name is not None}


def choose(header: list[str], wanted: Columns, path: Path, labelled: bool = True) -> Chosen:
    """Find the columns of a table; those of labels and splits only where it is to be `labelled`.

    Raises UserError where a column is missing or could be two things, with the header and what to write into params.
    """
    refuse_doubles(header, path)
    refuse_unwritable(header, path)
    if not labelled:
        wanted = unlabelled(header, wanted)
    needed = ROLES if labelled else ("id",)
    mapped = {role: find(header, name, f"data.columns.{role}", path) for role in needed if (name := getattr(wanted, role)) is not None}
    modalities = given(header, wanted.modalities, path) if wanted.modalities is not None else {}
    free = [name for name in header if name not in {*mapped.values(), *(modality.column for modality in modalities.values())}]
    roles = {role: mapped[role] if role in mapped else by_name(free, role, path) for role in needed}
    if not modalities:
        modalities = by_kind([name for name in free if name not in roles.values()], path)
    label = roles.get("label")
    if label is None and labelled:
        raise UserError(unnamed(header, "a label", ", ".join(ROLES["label"]), "label: {}", path))
    if not modalities:
        words = ", ".join(KIND_OF)
        rest = [name for name in free if name not in roles.values()] or header
        raise UserError(
            unnamed(rest, "a modality", f"a word that ends in {words}", "modalities: {{image: {{column: {}, kind: image}}}}", path)
        )
    return Chosen(roles["id"], roles.get("split"), label, dict(sorted(modalities.items())))


def unlabelled(header: list[str], wanted: Columns) -> Columns:
    """Of the columns that params name, those that a table without labels has."""
    there = {plain(column) for column in header}
    identity = wanted.id if wanted.id is not None and plain(wanted.id) in there else None
    if wanted.modalities is None:
        return Columns(id=identity)
    return Columns(
        id=identity, modalities={name: one for name, one in wanted.modalities.items() if plain(one.column or name) in there} or None
    )


def refuse_doubles(header: list[str], path: Path) -> None:
    doubles = [name for name, count in Counter(header).items() if count > 1]
    if doubles:
        raise UserError(f"{path} has more than one column {', '.join(map(repr, doubles))}; give each a name of its own{headless(header)}")


def refuse_unwritable(header: list[str], path: Path) -> None:
    wrong = next((name for name in header if "\0" in name or name.encode(errors="replace").decode() != name), None)
    if wrong is not None:
        raise UserError(f"{path}: the name of column {wrong!r} holds a character that no text file can hold")


def headless(header: list[str]) -> str:
    """A question to ask where the first row seems to be data."""
    found = next((name for name in header if LOOKS_LIKE_DATA.fullmatch(name)), None)
    return f"; is the header row missing? {found!r} looks like a cell" if found is not None else ""


def unnamed(header: list[str], what: str, words: str, example: str, path: Path) -> str:
    example = example.format(quoted(header[-1]))
    return (
        f"{path} has no column that is known as {what} (looked for {words}); it has: {', '.join(header)}. "
        f"Name yours in params.yaml, e.g. data: {{columns: {{{example}}}}}{headless(header)}"
    )


def quoted(name: str) -> str:
    """A column's name as YAML takes it."""
    return name if re.fullmatch(r"[A-Za-z]\w*", name) else repr(name)


def plain(name: str) -> str:
    """A column's name as names are compared: `Left Image`, `left-image` and `leftImage` are one."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", words.casefold()).strip("_")


def find(header: list[str], name: str, key: str, path: Path) -> str:
    """The column that params name, exactly or but for case, space and dashes."""
    alike = [column for column in header if plain(column) == plain(name)]
    if name in header:
        return name
    if len(alike) == 1:
        return alike[0]
    close = get_close_matches(name, header, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    raise UserError(f"{key}: {path} has no column {name!r}{hint}; it has: {', '.join(header)}")


def by_name(header: list[str], role: str, path: Path) -> str | None:
    """The one column that a role's names fit."""
    fitting = [name for name in header if plain(name) in ROLES[role]]
    if len(fitting) > 1:
        raise UserError(
            f"{path}: more than one column could be the {role}: {', '.join(fitting)}; say which one in params.yaml, "
            f"e.g. data: {{columns: {{{role}: {quoted(fitting[0])}}}}}"
        )
    return fitting[0] if fitting else None


def by_kind(header: list[str], path: Path) -> dict[str, Modality]:
    """Every column whose name ends in a kind, by that name without `_path` and the like."""
    found: dict[str, Modality] = {}
    for column in header:
        if match := NAMED_AS_MEDIA.fullmatch(plain(column)):
            name = re.sub(r"^[^a-z]+", "", match["name"] + re.sub(PATH, "", match["end"]))[:60]
            if name in found:
                example = f"{name}: {{column: {quoted(column)}, kind: {found[name].kind}}}"
                raise UserError(
                    f"{path}: columns {found[name].column!r} and {column!r} would both be the modality {name!r}; say which is what in "
                    f"params.yaml, e.g. data: {{columns: {{modalities: {{{example}}}}}}}"
                )
            found[name] = Modality(column=column, kind=KIND_OF[match["word"]])
    return found


def given(header: list[str], wanted: dict[str, Modality], path: Path) -> dict[str, Modality]:
    """The modalities as params name them, each with its column."""
    key = "data.columns.modalities"
    for name in wanted:
        if name in FIXED:
            raise UserError(f"{key}: a modality cannot be called {name!r}, which names another column of data/raw/manifest.csv")
    found = {}
    for name, one in wanted.items():
        column = find(header, name if one.column is None else one.column, f"{key}.{name}", path)
        found[name] = Modality(column=column, kind=one.kind)
    texts = {one.column: name for name, one in found.items() if one.kind == "text"}
    for name, one in found.items():
        if one.kind != "text" and one.column in texts:
            raise UserError(f"{key}: column {one.column!r} cannot hold both the text of {texts[one.column]} and the path of {name}")
    return found
