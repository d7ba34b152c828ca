"""Work in forks gives what work here gives; a fork that is killed costs time only; Ctrl-C leaves nobody behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from clone import ROOT

from deconfuse.forked import beside, forked
from deconfuse.kernel.errors import UserError


def where(number: int) -> tuple[int, int]:
    time.sleep(0.05 * (3 - number))
    return number, os.getpid()


@pytest.mark.parametrize(("workers", "here"), [(1, 4), (2, 0), (9, 0)])
def test_results_come_in_order_and_from_elsewhere(workers: int, here: int) -> None:
    found = list(forked([partial(where, number) for number in range(4)], workers))
    assert [number for number, _ in found] == [0, 1, 2, 3]
    assert sum(process == os.getpid() for _, process in found) == here


def met(folder: Path, own: str, other: str) -> int:
    """This process; where the other one has not come after 20 s it is an error."""
    (folder / own).touch()
    end = time.monotonic() + 20
    while not (folder / other).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    return os.getpid()


def test_they_are_at_work_at_the_same_time(tmp_path: Path) -> None:
    one, two = forked([partial(met, tmp_path, "a", "b"), partial(met, tmp_path, "b", "a")], 2)
    assert one != two


def test_an_error_is_the_callers_and_what_had_begun_comes_to_its_end(tmp_path: Path) -> None:
    def fails() -> None:
        end = time.monotonic() + 20
        while not (tmp_path / "begun").exists() and time.monotonic() < end:
            time.sleep(0.01)
        raise UserError("row 7 is broken")

    def ends() -> None:
        (tmp_path / "begun").touch()
        time.sleep(0.5)
        (tmp_path / "ended").touch()

    with pytest.raises(UserError) as caught:
        list(forked([fails, ends], 2))
    assert str(caught.value) == "row 7 is broken"
    assert (tmp_path / "ended").exists()


def dies_unless(survivor: int) -> int:
    if os.getpid() != survivor:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.getpid()


def test_what_a_killed_fork_was_at_is_done_here() -> None:
    dies = partial(dies_unless, os.getpid())
    works: list[Callable[[], int]] = [dies, os.getpid, dies]
    first, _, last = forked(works, 2)
    assert first == last == os.getpid()
    assert beside(dies, lambda: "here") == (os.getpid(), "here")


def test_one_work_here_and_one_elsewhere_at_the_same_time(tmp_path: Path) -> None:
    elsewhere, here = beside(partial(met, tmp_path, "a", "b"), partial(met, tmp_path, "b", "a"))
    assert here == os.getpid() != elsewhere


@pytest.mark.parametrize("place", ["here", "elsewhere"])
def test_an_error_of_either_is_raised(place: str) -> None:
    def fails() -> int:
        raise UserError(f"broken {place}")

    with pytest.raises(UserError) as caught:
        beside(fails, os.getpid) if place == "elsewhere" else beside(os.getpid, fails)
    assert str(caught.value) == f"broken {place}"


SCRIPT = """
import os, time
from pathlib import Path
from deconfuse.forked import forked
def waits():
    Path(f"at_{os.getpid()}").touch()
    time.sleep(60)
list(forked([waits, waits], 2))
"""


def test_ctrl_c_leaves_nobody_behind(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, process_group=0, text=True
    )
    end = time.monotonic() + 30
    while len(list(tmp_path.glob("at_*"))) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    forks = [int(path.name.removeprefix("at_")) for path in tmp_path.glob("at_*")]
    assert len(forks) == 2
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode != 0 and said.count("Traceback") <= 1
    assert not any(Path(f"/proc/{fork}").exists() for fork in forks)
