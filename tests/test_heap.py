"""A process that keeps what it frees has less to do."""

import subprocess
import sys

import pytest

LOOP = """
import resource, sys
import numpy as np
if sys.argv[1] == "keep":
    from deconfuse.runtime.heap import keep_freed
    keep_freed()
for i in range(40):
    np.ones(6_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""

HELD = """
from pathlib import Path
import numpy as np
from deconfuse.runtime.heap import give_back, keep_freed
def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])
keep_freed()
before = pages()
held = [np.ones(100_000) for _ in range(100)]
del held
kept = pages()
give_back()
print(before, kept, pages())
"""


def faults(how: str) -> int:
    out = subprocess.run([sys.executable, "-c", LOOP, how], capture_output=True, text=True, check=True)
    return int(out.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="page faults are counted as Linux does")
def test_freed_memory_is_used_again() -> None:
    assert faults("keep") < 0.5 * faults("give back")


@pytest.mark.skipif(sys.platform != "linux", reason="pages are counted as Linux does")
def test_what_is_kept_can_be_given_back() -> None:
    out = subprocess.run([sys.executable, "-c", HELD], capture_output=True, text=True, check=True)
    before, kept, left = map(int, out.stdout.split())
    assert kept - before > 15_000 and left - before < 2_000, "of 80 MB, in pages of 4 kB"
