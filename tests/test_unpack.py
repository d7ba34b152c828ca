"""Archives, those made to do harm among them: what comes out are names and bytes, or one message; nothing is ever written."""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deconfuse.kernel.errors import UserError
from deconfuse.sources._unpack import Caps, digest, members

FILES = {"a.txt": b"one", "folder/b.bin": bytes(range(256)) * 40, "folder/empty": b""}
PACK = {"": lambda content: content, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def tar(path: Path, *more: tarfile.TarInfo, files: dict[str, bytes] = FILES, pack: Callable = gzip.compress) -> Path:
    """A tar of files, then of members as given."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        for member in more:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    path.write_bytes(pack(plain.getvalue()))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def zipped(path: Path, files: dict[str, bytes] = FILES, mode: int = stat.S_IFREG | 0o644) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            made = zipfile.ZipInfo(name)
            made.external_attr, made.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(made, content)
    return path


@pytest.mark.parametrize("ending", PACK)
def test_a_tar_gives_its_files(tmp_path: Path, ending: str) -> None:
    path = tar(tmp_path / f"a.tar{ending}", member("folder", tarfile.DIRTYPE), pack=PACK[ending])
    assert dict(members(path)) == FILES


def test_a_zip_and_a_folder_give_their_files_and_all_have_one_digest(tmp_path: Path) -> None:
    for name, content in FILES.items():
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_bytes(content)
    places = [tmp_path / "f", zipped(tmp_path / "a.zip"), tar(tmp_path / "a.tgz"), tar(tmp_path / "b", files=dict(reversed(FILES.items())))]
    assert [dict(members(place)) for place in places] == [FILES] * 4
    assert len({digest(members(place)) for place in places}) == 1
    assert digest(members(zipped(tmp_path / "c.zip", FILES | {"a.txt": b"two"}))) != digest(members(places[0]))
    assert digest([("a", b"1"), ("b", b"2")]) != digest([("b", b"1"), ("a", b"2")])


def test_a_leading_dot_is_left_out(tmp_path: Path) -> None:
    assert dict(members(tar(tmp_path / "a", files={"./a/b": b"x"}))) == {"a/b": b"x"}


EVIL_NAMES = ["../out", "/etc/out", "a/../../out", "C:\\out", "C:out", "a\\..\\..\\out", "\\\\host\\share"]


@pytest.mark.parametrize("name", EVIL_NAMES)
@pytest.mark.parametrize("make", [tar, zipped])
def test_a_name_that_leads_outside_is_refused(tmp_path: Path, make: Callable, name: str) -> None:
    path = make(tmp_path / "evil", files={name: b"x"})
    with pytest.raises(UserError) as error:
        list(members(path))
    assert f"{path}: the member {name!r} leads outside" in str(error.value)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["../out/", "/out/"])
def test_so_is_a_folder_that_leads_outside(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="leads outside"):
        list(members(tar(tmp_path / "evil", member(name, tarfile.DIRTYPE))))


KINDS = [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tar(tmp_path / "evil.tgz", member("way", kind, "/etc"))
    with pytest.raises(UserError, match=r"evil.tgz: the member 'way' is a link or a device"):
        list(members(path))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, kind: int) -> None:
    with pytest.raises(UserError, match=r"evil.zip: the member 'way' is a link or a device"):
        list(members(zipped(tmp_path / "evil.zip", {"way": b"/etc"}, kind | 0o777)))


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is there twice"):
        list(members(tar(tmp_path / "evil", member("./a.txt"))))


@pytest.mark.parametrize("make", [tar, zipped])
def test_a_bomb_is_refused(tmp_path: Path, make: Callable) -> None:
    path = make(tmp_path / "bomb", files={"zeros": bytes(20_000_000)})
    assert path.stat().st_size < 30_000
    with pytest.raises(UserError, match="unpacks to far more than it should"):
        list(members(path))


@pytest.mark.parametrize("make", [tar, zipped])
def test_caps_are_on_all_members_together(tmp_path: Path, make: Callable) -> None:
    path = make(tmp_path / "many", files={str(number): bytes(1000) for number in range(100)})
    assert len(list(members(path, Caps(size=1_000_000)))) == 100
    with pytest.raises(UserError, match="unpacks to far more"):
        list(members(path, Caps(size=90_000)))
    assert len(list(members(path, Caps(count=100)))) == 100
    with pytest.raises(UserError, match="more than 99 members"):
        list(members(path, Caps(count=99)))


def test_a_header_that_claims_gigabytes_is_not_believed(tmp_path: Path) -> None:
    huge = member("pax", tarfile.XHDTYPE)
    huge.size = 5 << 30
    path = tmp_path / "evil"
    path.write_bytes(gzip.compress(huge.tobuf() + bytes(10_000_000)))
    with pytest.raises(UserError):
        list(members(path))


def test_an_encrypted_member_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path / "locked.zip")
    content = bytearray(path.read_bytes())
    # bit 0 of the flags, in the central directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match="'a.txt' is encrypted"):
        list(members(path))


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"<html>", b"\x1f\x8b", b"\xfd7zXZ", b"BZh9", b"PK\x03\x04", b"\x1f\x8b\x08\0" + bytes(50)]
)
def test_what_is_no_archive_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(UserError, match=f"{tmp_path / 'a'} cannot be unpacked"):
        list(members(tmp_path / "a"))


@settings(deadline=None, derandomize=True, max_examples=150)
@given(st.sampled_from(["zip", *PACK]), st.data())
def test_damage_never_gives_more_than_one_message(tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("damage")
    path = zipped(folder / "a") if kind == "zip" else tar(folder / "a", pack=PACK[kind])
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        found = list(members(path))
    except UserError as error:
        found, message = [], str(error)
    else:
        message = str(path)
    assert str(path) in message
    assert all(isinstance(name, str) and isinstance(content, bytes) for name, content in found)
