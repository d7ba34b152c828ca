"""Stages that run in forks of a process with torch in memory: nobody must see a difference but the time."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from clone import ROOT

from deconfuse.lineup.lending import lending

# tells all that a process can see of itself
PROBE = """
import json, os, signal, sys
from pathlib import Path
before = sorted(sys.modules)
from deconfuse.kernel.errors import command
def main(*words):
    print(json.dumps({
        "name": __name__, "words": words, "own": Path(sys.argv[0]).name, "folder": os.getcwd(), "first": sys.path[0],
        "input": sys.stdin.read(), "environment": dict(os.environ), "executable": sys.executable,
        "interrupt": str(signal.getsignal(signal.SIGINT)),
        "project": [name for name in before if name.split(".")[0] in ("deconfuse", "stages")], "lent": "torch" in before,
        "files": sorted(int(name) for name in os.listdir("/proc/self/fd"))[:3], "more": len(os.listdir("/proc/self/fd")),
    }))
    print("to the errors", file=sys.stderr)
command(main, *sys.argv[1:])
"""
ENDS = """
import os, signal, sys
from deconfuse.kernel.errors import UserError, command
def main(how):
    if how == "user": raise UserError("models.a: is wrong")
    if how == "fault": raise ValueError("a fault")
    if how.startswith("signal"): os.kill(os.getpid(), int(how[6:]))
    sys.exit(int(how))
command(main, sys.argv[1])
"""
WAITS = """
import sys, time
from pathlib import Path
from deconfuse.kernel.errors import Stopped, command, listening
def main(name):
    with listening() as came:
        Path(name).write_text("waits")
        while not came:
            time.sleep(0.01)
        # a second one would end it at once
        time.sleep(0.3)
        Path(name).write_text("stopped")
        raise Stopped(came[0], f"stopped by {[int(number) for number in came]}")
command(main, sys.argv[1])
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Path, dict[str, str]]]:
    """A folder with stages, and the variables by which they are lent a process."""
    root = tmp_path_factory.mktemp("project")
    (root / "stages").mkdir()
    for name, text in {"__init__": "", "probe": PROBE, "ends": ENDS, "waits": WAITS}.items():
        (root / f"stages/{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        with lending() as variables:
            yield root, variables


def run(project: tuple[Path, dict[str, str]], *words: str, alone: bool = False, said: str = "") -> subprocess.CompletedProcess[str]:
    """Run `python ...` as DVC does: as a shell finds it."""
    root, variables = project
    environment = dict(os.environ) if alone else os.environ | variables
    return subprocess.run(
        ["sh", "-c", 'exec python "$@"', "sh", *words], cwd=root, env=environment, input=said, capture_output=True, text=True
    )


def told(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert (done.returncode, done.stderr) == (0, "to the errors\n")
    return json.loads(done.stdout)


def test_a_stage_sees_what_it_would_see_by_itself(project: tuple[Path, dict[str, str]]) -> None:
    words = ("-m", "stages.probe", "a b", "ü")
    lent, alone = (told(run(project, *words, alone=by_itself, said="given")) for by_itself in (False, True))
    assert (lent.pop("lent"), alone.pop("lent")) == (True, False)
    assert lent == alone


@pytest.mark.parametrize("how", ["0", "3", "user", "fault", f"signal{int(signal.SIGKILL)}", f"signal{int(signal.SIGSEGV)}"])
def test_a_stage_ends_as_it_would_end_by_itself(project: tuple[Path, dict[str, str]], how: str) -> None:
    lent, alone = (run(project, "-m", "stages.ends", how, alone=by_itself) for by_itself in (False, True))
    assert lent.returncode == alone.returncode
    assert lent.stderr.splitlines()[-1:] == alone.stderr.splitlines()[-1:]


def begin(project: tuple[Path, dict[str, str]], name: str) -> subprocess.Popen[str]:
    """Start a stage that waits; it has begun to listen."""
    root, variables = project
    words = ["python", "-m", "stages.waits", name]
    process = subprocess.Popen(words, cwd=root, env=os.environ | variables, stderr=subprocess.PIPE, text=True, process_group=0)
    arrives(root / name, "waits")
    return process


def arrives(path: Path, text: str) -> None:
    ends = time.monotonic() + 60
    while not (path.exists() and path.read_text() == text):
        assert time.monotonic() < ends
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_reaches_the_stage_once(project: tuple[Path, dict[str, str]], number: int) -> None:
    for send in (os.kill, os.killpg):
        process = begin(project, f"waits{number}{send.__name__}")
        send(process.pid, number)
        assert process.communicate(timeout=60)[1] == f"stopped by [{int(number)}]\n"
        assert process.returncode == 128 + number


def test_what_nobody_waits_for_is_stopped(project: tuple[Path, dict[str, str]]) -> None:
    process = begin(project, "orphan")
    process.kill()
    arrives(project[0] / "orphan", "stopped")
    process.communicate()


def test_all_else_is_python_as_it_is(project: tuple[Path, dict[str, str]]) -> None:
    script = "import os, sys, json; print(json.dumps([sys.argv, sys.executable, dict(os.environ), 'torch' in sys.modules]))"
    lent, alone = (run(project, "-c", script, "word", alone=by_itself) for by_itself in (False, True))
    assert (lent.returncode, lent.stdout, lent.stderr) == (0, alone.stdout, "")
    assert run(project, "-m", "json.tool", said="{}").stdout == "{}\n"


def test_a_lender_that_is_gone_is_not_missed(project: tuple[Path, dict[str, str]]) -> None:
    others = lenders()
    with lending() as variables:
        (lender,) = lenders() - others
        os.kill(lender, signal.SIGKILL)
        found = told(run((project[0], variables), "-m", "stages.probe"))
    assert not found["lent"]


def test_the_lender_ends_with_who_needs_it(project: tuple[Path, dict[str, str]]) -> None:
    others = lenders()
    with lending() as variables:
        process = begin((project[0], variables), "last")
        (lender,) = lenders() - others
    assert lender in lenders(), "it waits for what it has lent"
    process.terminate()
    assert process.communicate(timeout=60)[1] == f"stopped by [{int(signal.SIGTERM)}]\n"
    ends = time.monotonic() + 60
    while lender in lenders():
        assert time.monotonic() < ends
        time.sleep(0.02)


def lenders() -> set[int]:
    """The lenders that this process has started and that are no zombies."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = (path / "stat").read_text().rsplit(")", 1)[1].split()[1]
            if int(parent) == os.getpid() and "deconfuse.lineup.lender" in (path / "cmdline").read_text().split("\0"):
                found.add(int(path.name))
    return found
