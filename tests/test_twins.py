"""Two people draw the same training at once, in orders drawn by lot: one run is left, whole, and nobody is told of it."""

import random
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import finished_project
import pytest
from stores import prepared

from deconfuse.tracking import drawing, faults
from deconfuse.tracking.record import Record, read
from deconfuse.tracking.store import find
from deconfuse.tracking.twins import settled

MODEL = "text_lstm"
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("twins")
    finished_project.build(root, models={MODEL: finished_project.MODELS[MODEL]._replace(seeds=SEEDS)})
    prepared(root)
    return root


@pytest.fixture
def client(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(faults, "PAUSES", (0.0,) * len(faults.PAUSES))
    shutil.copytree(project, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return find(tmp_path / "project").client()


@pytest.fixture
def record(client: Any) -> Record:
    """A model of two seeds, unevaluated; what is tried here is the order of the calls, not what they carry."""
    whole = replace(read(MODEL), evaluation=None, served=None, curves=[], files={"run.json": "{}"})
    seeds = {seed: replace(one, evaluation=None, curves=one.curves[:1]) for seed, one in whole.seeds.items()}
    return replace(whole, seeds=seeds)


class Turns:
    """Lets threads call the store one call at a time, the next one drawn by lot."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck
        self.changed = threading.Condition()
        self.waiting: set[int] = set()
        self.running = 0
        self.next: int | None = None

    def wait(self, who: int) -> None:
        """Return when it is `who`'s turn."""
        with self.changed:
            self.running -= 1
            self.waiting.add(who)
            self.changed.notify_all()
            self.changed.wait_for(lambda: self.next == who)
            self.next = None
            self.waiting.remove(who)
            self.running += 1

    def run(self, whats: list[Callable[[], object]]) -> None:
        """Do all, each in a thread of its own; raises what one raises."""

        def whole(what: Callable[[], object]) -> None:
            try:
                what()
            finally:
                with self.changed:
                    self.running -= 1
                    self.changed.notify_all()

        self.running = len(whats)
        with ThreadPoolExecutor(len(whats)) as threads:
            done = [threads.submit(whole, what) for what in whats]
            while True:
                with self.changed:
                    self.changed.wait_for(lambda: self.running == 0 and self.next is None)
                    if not self.waiting:
                        break
                    self.next = self.luck.choice(sorted(self.waiting))
                    self.changed.notify_all()
        for one in done:
            one.result()


class Disturbed:
    """A client whose calls wait for their turn; the `refused`th of those that log is refused, as where another comes before it."""

    def __init__(self, client: Any, who: int, turns: Turns, refused: int) -> None:
        self.client, self.who, self.turns, self.refused, self.writes = client, who, turns, refused, 0

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.client, name)
        return partial(self._call, name, call) if callable(call) else call

    def _call(self, name: str, call: Callable[..., Any], *words: Any, **named: Any) -> Any:
        from mlflow.exceptions import MlflowException
        from mlflow.protos.databricks_pb2 import BAD_REQUEST

        self.turns.wait(self.who)
        if name.startswith("log_"):
            self.writes += 1
            if self.writes == self.refused:
                raise MlflowException("duplicate key value violates unique constraint", BAD_REQUEST)
        return call(*words, **named)


# of the first 40 those that are red, most of them, without one or another of what `twins` does
@pytest.mark.parametrize("number", [0, 5, 9, 14, 24, 29, 33, 35])
def test_one_run_is_left_in_whatever_order_they_call(client: Any, record: Record, number: int) -> None:
    luck = random.Random(number)
    turns = Turns(luck)

    def person(who: int) -> Callable[[], object]:
        # a copy of one training, or trained by each
        own = replace(record, started=record.started + luck.choice((0, 1000)) * who)
        theirs = Disturbed(client, who, turns, refused=luck.choice((0, 0, 1, 2, 3, 4)))
        return lambda: settled(theirs, "0", own.digest, partial(drawing.draw, theirs, "0", own))

    turns.run([person(who) for who in range(luck.choice((2, 2, 3)))])
    (run,) = drawing.find(client, "0", record.digest)
    assert run.info.status == "FINISHED"
    below = drawing.below(client, run)
    assert sorted(one.data.tags["seed"] for one in below) == list(map(str, SEEDS))
    assert {one.info.status for one in below} == {"FINISHED"}
    assert len(client.search_runs(["0"])) == 1 + len(SEEDS)
