"""Files over HTTP: what a server may do wrong, done by a real one, and that only the right bytes are ever taken for the file."""

import email.utils
import hashlib
import time
from pathlib import Path

import pytest
import web
from hypothesis import given, settings
from hypothesis import strategies as st
from web import BODY, cut, good, sending, serving, stalling, status, whole

from deconfuse.kernel.errors import UserError
from deconfuse.sources._fetch import FETCHED, Content, File, fetch, first, sha256
from deconfuse.sources._http import Patience

QUICK = Patience(tries=4, timeout=0.3, pause=0.01, longest=0.05)
WANTED = hashlib.sha256(BODY).hexdigest()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def asked(*addresses: str, name: str = "set/file", wanted: str = WANTED, largest: int = 1 << 20) -> File:
    return File(name, addresses, Content(sha256, wanted), largest)


def parts() -> list[Path]:
    return list(FETCHED.rglob("*.part"))


def refused(*addresses: str, **more: object) -> str:
    """The message where nothing serves; nothing may be left under the file's own name."""
    with pytest.raises(UserError) as error:
        fetch(asked(*addresses, **more), None, QUICK)
    assert not (FETCHED / "set/file").exists()
    return str(error.value)


@pytest.mark.parametrize(
    ("way", "ranges"),
    [
        (good, [None]),
        (whole, [None]),
        (sending(BODY, length=False), [None]),
        (cut(good), [None, "bytes=100000-"]),
        (cut(whole), [None, "bytes=100000-"]),
        (cut(good, keep=0), [None, None]),
        (status(500, 2), [None, None, None]),
        (status(503, 1), [None, None]),
        (status(429, 1, Retry_After=0), [None, None]),
        (status(429, 1, Retry_After="soon"), [None, None]),
        (stalling(1), [None, "bytes=65536-"]),
    ],
    ids=["good", "no range", "no length", "drop", "drop, no range", "drop at once", "500", "503", "429", "429 in words", "stall"],
)
def test_a_server_that_gives_the_file_in_the_end(way: web.Way, ranges: list) -> None:
    with serving(file=way) as (address, visits):
        path = fetch(asked(f"{address}/file"), None, QUICK)
    assert path.read_bytes() == BODY
    assert visits == ranges
    assert parts() == []


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        (status(404), "answers 404 Not Found"),
        (status(403), "answers 403"),
        (status(500), "answers 500 Internal Server Error (tried 4 times)"),
        (status(429, Retry_After=3600), "answers 429 Too Many Requests (tried 4 times)"),
        (sending(b"<!DOCTYPE html><html>Please log in</html>", "text/html"), "an HTML page came instead of data"),
        (sending(b"\n <HTML>Not today</HTML>"), "an HTML page came instead of data"),
        (sending(BODY[:-1]), f"hash {hashlib.sha256(BODY[:-1]).hexdigest()} instead of {WANTED}"),
        (sending(BODY + b"!"), "instead of"),
        (sending(b""), "instead of"),
        (sending(b"x" * 2_000_000), "2,000,000 bytes long, where at most 1,048,576"),
        (sending(b"x" * 2_000_000, length=False), "longer than the 1,048,576 bytes"),
        (stalling(99), "does not answer in time (tried 4 times)"),
        (status(302, Location="/file"), "redirects without end"),
        (status(302, Location="file:///etc/hostname"), "redirects to what is no http or https address"),
        (cut(lambda answer, visit: answer.drop()), "was dropped (tried 4 times)"),
    ],
)
def test_a_server_that_never_gives_the_file(way: web.Way, reason: str) -> None:
    with serving(file=way) as (address, _):
        message = refused(f"{address}/file")
    assert f"{address}/file: " in message
    assert reason in message
    assert "set data.mirror to a folder that holds set/file" in message


def test_a_drop_without_length_is_seen_by_the_hash_and_its_part_is_not_kept() -> None:
    # no client can notice this one; going on from such a part would never end well
    with serving(file=cut(good, length=False)) as (address, _):
        assert "instead of" in refused(f"{address}/file")
        assert parts() == []
        assert fetch(asked(f"{address}/file"), None, QUICK).read_bytes() == BODY


@pytest.mark.parametrize("content", ["bytes 0-255999/256000", "bytes 1-2/3", "", "nonsense"])
def test_another_part_than_asked_for_is_not_joined(content: str) -> None:
    def way(answer: web.Answer, visit: int) -> None:
        if visit == 2:
            answer.head(206, Content_Length=len(BODY), Content_Range=content)
            answer.wfile.write(BODY)
        else:
            cut(good)(answer, visit)

    with serving(file=way) as (address, visits):
        assert fetch(asked(f"{address}/file"), None, QUICK).read_bytes() == BODY
    assert visits == [None, "bytes=100000-", None]


def test_what_an_interrupted_run_left_is_used() -> None:
    with serving(file=cut(status(404))) as (address, _):
        refused(f"{address}/file")
        (part,) = parts()
        assert part.stat().st_size == 100_000
        left = part.rename("left")
    with serving(file=good) as (address, visits):
        name = hashlib.sha256(f"{address}/file".encode()).hexdigest()[:8]
        left.rename(FETCHED / f"set/file.{name}.part")
        assert fetch(asked(f"{address}/file"), None, QUICK).read_bytes() == BODY
        assert visits == ["bytes=100000-"]


@pytest.mark.parametrize("left", [b"another day's file" * 10, BODY, BODY + b"more"], ids=["changed", "whole", "too long"])
def test_what_an_interrupted_run_left_may_be_of_another_file(left: bytes) -> None:
    with serving(file=good) as (address, _):
        name = hashlib.sha256(f"{address}/file".encode()).hexdigest()[:8]
        (FETCHED / "set").mkdir(parents=True)
        (FETCHED / f"set/file.{name}.part").write_bytes(left)
        assert fetch(asked(f"{address}/file"), None, QUICK).read_bytes() == BODY
    assert parts() == []


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, len(BODY)), st.booleans())
def test_any_cut_is_mended(tmp_path_factory: pytest.TempPathFactory, keep: int, ranges: bool) -> None:
    with pytest.MonkeyPatch.context() as patch, serving(file=cut(good if ranges else whole, keep=keep)) as (address, _):
        patch.chdir(tmp_path_factory.mktemp("cut"))
        assert fetch(asked(f"{address}/file"), None, QUICK).read_bytes() == BODY


def test_the_next_address_serves_and_a_redirect_is_followed() -> None:
    with serving(wrong=sending(b"wrong"), moved=status(302, Location="/file"), file=good) as (address, visits):
        assert fetch(asked(f"{address}/gone", f"{address}/wrong", f"{address}/moved"), None, QUICK).read_bytes() == BODY
    assert len(visits) == 4


def test_all_places_are_listed() -> None:
    with serving(wrong=sending(b"wrong")) as (address, _), pytest.raises(UserError) as error:
        fetch(asked(f"{address}/gone", f"{address}/wrong", "ftp://x/y", "http://127.0.0.1:9/z"), "no/such/folder", QUICK)
    lines = str(error.value).splitlines()
    assert [line.split(": ")[0].strip() for line in lines[1:-1]] == [
        "no/such/folder/set/file",
        f"{address}/gone",
        f"{address}/wrong",
        "ftp://x/y",
        "http://127.0.0.1:9/z",
    ]
    assert "no http or https" in lines[4]
    assert "refuses the connection" in lines[5]


def test_a_name_that_is_not_known_is_not_tried_again() -> None:
    start = time.monotonic()
    message = refused("http://no-such-host.invalid/file")
    assert "tried" not in message
    assert time.monotonic() - start < 5


def test_a_server_that_asks_for_patience_is_left_alone_so_long() -> None:
    with serving(file=status(429, 1, Retry_After=1)) as (address, _):
        start = time.monotonic()
        fetch(asked(f"{address}/file"), None, QUICK._replace(longest=60))
        assert time.monotonic() - start >= 1


@pytest.mark.parametrize("after", [3600, email.utils.formatdate(time.time() + 3600, usegmt=True)], ids=["seconds", "date"])
def test_but_not_for_ever(after: object) -> None:
    with serving(file=status(503, 1, Retry_After=after)) as (address, _):
        start = time.monotonic()
        fetch(asked(f"{address}/file"), None, QUICK._replace(longest=0.5))
        assert 0.4 < time.monotonic() - start < 5


def test_pauses_double() -> None:
    with serving(file=status(500)) as (address, _):
        start = time.monotonic()
        with pytest.raises(UserError):
            fetch(asked(f"{address}/file"), None, Patience(tries=4, timeout=1, pause=0.1, longest=9))
        assert 0.7 <= time.monotonic() - start < 2


def test_what_was_fetched_is_not_fetched_again_unless_damaged() -> None:
    with serving(file=good) as (address, visits):
        path = fetch(asked(f"{address}/file"), None, QUICK)
        assert fetch(asked(f"{address}/file"), None, QUICK) == path
        assert len(visits) == 1
        path.write_bytes(BODY[:-1] + b"?")
        assert fetch(asked(f"{address}/file"), None, QUICK).read_bytes() == BODY
        assert len(visits) == 2


def folder(tmp_path: Path, content: bytes) -> str:
    (tmp_path / "mirror/set").mkdir(parents=True)
    (tmp_path / "mirror/set/file").write_bytes(content)
    return str(tmp_path / "mirror")


def test_a_mirror_folder_is_used_in_place(tmp_path: Path) -> None:
    mirror = folder(tmp_path, BODY)
    assert fetch(asked(), mirror, QUICK) == Path(mirror) / "set/file"
    assert not FETCHED.exists()


def test_a_mirror_folder_with_something_else_is_passed_over(tmp_path: Path) -> None:
    with serving(file=good) as (address, _):
        assert fetch(asked(f"{address}/file"), folder(tmp_path, b"else"), QUICK) == FETCHED / "set/file"


def test_a_mirror_address_comes_before_the_public_one() -> None:
    with serving(**{"m/set/file": good}) as (address, visits):
        fetch(asked(f"{address}/file"), f"{address}/m/", QUICK)
    assert len(visits) == 1


def test_of_two_files_the_mirrors_comes_first(tmp_path: Path) -> None:
    mirror = folder(tmp_path, BODY)
    with serving(file=good) as (address, visits):
        public, copy = asked(f"{address}/file", name="set/other"), asked()
        assert first([public, copy], mirror, QUICK) == (copy, Path(mirror) / "set/file")
        assert first([public, copy], None, QUICK)[0] is public
        assert len(visits) == 1


def test_what_only_a_mirror_has_is_not_used_without_it() -> None:
    with serving(**{"m/set/file": good}) as (address, _):
        fetch(asked(), f"{address}/m", QUICK)
        assert (FETCHED / "set/file").exists()
    with pytest.raises(UserError, match="cannot be had"):
        fetch(asked(), None, QUICK)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    Path("data").write_text("a file where the folder should be")
    with serving(file=good) as (address, _), pytest.raises(UserError, match="data/fetched/set/file cannot be written"):
        fetch(asked(f"{address}/file"), None, QUICK)


@pytest.mark.parametrize("problem", [UserError("no archive"), OSError("not gzip"), EOFError("ends"), ValueError("strange")])
def test_a_file_that_cannot_be_judged_is_wrong(problem: Exception) -> None:
    def judge(path: Path) -> str:
        raise problem

    with serving(file=good) as (address, _), pytest.raises(UserError, match=str(problem)):
        fetch(File("set/file", (f"{address}/file",), Content(judge, "x")), None, QUICK)
