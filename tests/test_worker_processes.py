"""Worker processes: every answer in its place, and an end for every trouble, whenever it comes."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from clone import ROOT

from deconfuse.kernel.errors import UserError
from deconfuse.worker_processes import WorkerDiedError, in_processes


def square(number: int) -> tuple[int, int]:
    time.sleep(0.01 * (number % 3))
    return number**2, os.getpid()


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 3, 40])
def test_answers_come_in_order(workers: int, count: int) -> None:
    found = list(in_processes(square, range(count), workers))
    assert [(piece, answer) for piece, (answer, _) in found] == [(number, number**2) for number in range(count)]
    used = {process for _, (_, process) in found}
    assert os.getpid() not in used and len(used) <= workers
    if count == 40:
        assert len(used) == workers


@pytest.mark.parametrize("context", ["spawn", "forkserver"])
def test_it_does_not_matter_how_they_start(context: str) -> None:
    found = list(in_processes(abs, [-1, -2, -3], 2, multiprocessing.get_context(context)))
    assert found == [(-1, 1), (-2, 2), (-3, 3)]


def test_pieces_are_read_as_they_are_needed() -> None:
    read = []

    def pieces() -> Iterator[int]:
        for number in range(100):
            read.append(number)
            yield number

    found = in_processes(square, pieces(), 3)
    for number in range(10):
        assert next(found)[0] == number
        assert len(read) <= number + 1 + 2 * 3
    time.sleep(0.2)
    assert len(read) <= 10 + 2 * 3


def test_more_than_a_pipe_holds_goes_both_ways() -> None:
    pieces = [np.full(1_000_000, number) for number in range(12)]
    for number, (_, answer) in enumerate(in_processes(np.negative, pieces, 2)):
        assert (answer == -number).all()


def broken(number: int) -> int:
    if number == 3:
        raise UserError("row 3 is broken")
    return number


def test_an_error_is_raised_at_its_place_with_where_it_was() -> None:
    found = in_processes(broken, range(9), 2)
    assert [next(found)[1] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(UserError) as caught:
        next(found)
    assert str(caught.value) == "row 3 is broken" and "in broken" in caught.value.__notes__[0]


def test_an_error_of_the_pieces_is_raised() -> None:
    def pieces() -> Iterator[int]:
        yield 1
        raise UserError("line 2 of the table is broken")

    with pytest.raises(UserError, match="^line 2 of the table is broken$"):
        list(in_processes(broken, pieces(), 2))


def dies(number: int) -> bytes:
    if number == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return b""


def dies_as_it_speaks(number: int) -> bytes:
    def half(connection: Connection, message: bytes, write: object = None) -> None:
        if len(message) > 1000:
            os.write(connection.fileno(), bytes(message[: len(message) // 2]))
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(connection.fileno(), message)

    if number == 5:
        # of this process only
        Connection._send = half
    return bytes(100_000)


@pytest.mark.parametrize("work", [dies, dies_as_it_speaks])
def test_the_piece_of_one_that_dies_is_named(work: Callable[[int], bytes]) -> None:
    with pytest.raises(WorkerDiedError) as caught:
        list(in_processes(work, range(9), 2))
    assert caught.value.piece == 5


def wait_for(process: int, state: str) -> None:
    """Until Linux says so of the process: S sleeping, Z ended."""
    end = time.monotonic() + 20
    while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != state:
        assert time.monotonic() < end
        time.sleep(0.01)


def test_one_that_dies_while_it_waits_is_seen_with_its_next_piece(tmp_path: Path) -> None:
    def noted(number: int) -> int:
        (tmp_path / str(number)).touch()
        return os.getpid()

    found = in_processes(noted, range(9), 1, multiprocessing.get_context("fork"))
    _, process = next(found)
    # it answers the second piece, too, which fits into the pipe, and waits for the third
    end = time.monotonic() + 20
    while not (tmp_path / "1").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    wait_for(process, "S")
    os.kill(process, signal.SIGKILL)
    wait_for(process, "Z")
    assert next(found)[0] == 1
    with pytest.raises(WorkerDiedError) as caught:
        next(found)
    assert caught.value.piece == 2


def nested(number: int) -> list[int]:
    found = in_processes(abs, range(number, 0), 2)
    _, first = next(found)
    if number == -3:
        raise UserError("left in the middle")
    return [first, *(answer for _, answer in found)]


def test_they_may_have_some_of_their_own() -> None:
    assert list(in_processes(nested, [-1, -2], 2)) == [(-1, [1]), (-2, [2, 1])]
    with pytest.raises(UserError):
        list(in_processes(nested, [-1, -3], 2))


LEFT = """
from deconfuse.worker_processes import in_processes
def main():
    found = in_processes(abs, range(100), 2)
    next(found)
    raise ValueError("of the reader")
main()
"""


def test_a_reader_that_is_left_open_keeps_nobody() -> None:
    ended = subprocess.run([sys.executable, "-c", LEFT], cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1 and ended.stderr.endswith("\nValueError: of the reader\n")


SCRIPT = """
import sys, time
from deconfuse.kernel.errors import command
from deconfuse.worker_processes import in_processes
def work(number):
    time.sleep(0.01)
    # its pipe is full, mostly
    return bytes(1_000_000)
def main():
    print("begun", flush=True)
    for _ in in_processes(work, range(10_000), 3):
        pass
command(main)
"""


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize(("send", "status"), [("group", 130), ("parent", 130), ("kill", -9)])
def test_at_any_moment_an_end_leaves_nobody_behind(send: str, status: int, number: int) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stdout is not None
    running.stdout.readline()
    # the first ones while processes start
    time.sleep(0.004 * number**2 / 4)
    if send == "group":
        os.killpg(running.pid, signal.SIGINT)
    else:
        os.kill(running.pid, signal.SIGKILL if send == "kill" else signal.SIGINT)
    # the pipe of its messages closes with the last of them
    _, said = running.communicate(timeout=20)
    assert (running.returncode, said) == (status, "interrupted\n" if status == 130 else "")
