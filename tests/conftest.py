"""Settings of every test."""

import os
import signal

import pytest

# two threads on a busy machine are many times slower than one; torch reads this when it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

# `nohup` and a shell's background jobs ignore these, and so would every process that a test starts and means to stop by them
for number, usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)

LONG = (
    "test_pipeline.py",
    "test_tracking_life.py",
    "test_team_server.py",
    "test_kill.py",
    "test_distributed.py",
    "test_own_data.py",
    "test_fresh_clone.py",
    "test_planted.py",
    "test_benchmarks.py",
    "test_search.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: one that began last would end alone, the other cores idle."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
