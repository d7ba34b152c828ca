"""Draw a training that is under way, from its log."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from deconfuse.kernel.files import remove, write_text
from deconfuse.tracking import drawing
from deconfuse.tracking.faults import again, one_line
from deconfuse.tracking.log import Log
from deconfuse.tracking.projection import make_experiment
from deconfuse.tracking.record import Record, is_complete, read
from deconfuse.tracking.store import Store, find
from deconfuse.tracking.twins import settled

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

INTERVAL = 2.0
"""Seconds between two looks at the log."""
LONGEST = 60.0
"""Seconds until the next attempt, where the store has failed again and again."""


class Drawn(Exception):  # noqa: N818
    """There is a finished run of this training already, or the one that was begun has been put into MLflow's bin."""


def follow(path: Path, experiment: str, goes_on: Callable[[], bool], last: Callable[[], object]) -> None:
    """Draw the log at `path` until its training ends; `last` is called before what is drawn then.

    What the store does not take is kept, and tried again later. `PATH.problem` says what is wrong, as long as it is.
    """
    problem = path.with_suffix(".problem")
    # the follower of an earlier attempt may have a last line to draw
    with FileLock(path.with_suffix(".lock")):
        log, sketch, wait, is_over = Log(path), None, INTERVAL, False
        while not is_over:
            is_over = not goes_on() or log.end is not None
            if is_over:
                last()
            log.read()
            try:
                sketch = sketch or Sketch.open(experiment)
                sketch.draw(log)
                if is_over:
                    sketch.leave(log)
                remove(problem)
                wait = INTERVAL
            except Drawn:
                remove(problem)
                return
            # whatever it is: the run is drawn from the files in the end
            except Exception as error:  # noqa: BLE001
                write_text(problem, f"{one_line(error)}\n")
                wait = min(2 * wait, LONGEST)
            until = time.monotonic() + wait
            while not is_over and goes_on() and log.end is None and time.monotonic() < until:
                time.sleep(0.2)
                log.read()


def unevaluated(record: Record) -> Record:
    """What the training alone has left: who is late finds the evaluation there, too, but not yet what DVC notes of it."""
    seeds = {seed: unevaluated(one) for seed, one in record.seeds.items()}
    return replace(record, evaluation=None, scores={}, evaluation_files={}, seeds=seeds)


@dataclass(frozen=True)
class Sketch:
    """The runs of one log in a store: the model's, and below it one a seed where it has several."""

    store: Store
    client: "MlflowClient"
    experiment_id: str
    runs: dict[str, str]
    """Digest -> run id"""

    @classmethod
    def open(cls, experiment: str) -> "Sketch":
        store = find()
        with store.alone():
            store.prepare()
            client = store.client()
            return cls(store, client, make_experiment(client, experiment, store), {})

    def draw(self, log: Log) -> None:
        """Draw what the runs lack. Raises Drawn, and whatever comes from the store."""
        from mlflow.entities import Metric
        from mlflow.exceptions import MlflowException

        for record in log.runs():
            if record.digest not in self.runs:
                with self.store.alone():
                    self.runs[record.digest] = again(partial(self.begin, record))
            try:
                self.client.log_batch(self.runs[record.digest], metrics=[Metric(*point) for point in record.curves])
            except MlflowException:
                # by the user, or by someone who has trained the same and was faster
                if self.client.get_run(self.runs[record.digest]).info.lifecycle_stage == "deleted":
                    raise Drawn from None
                raise
            log.waiting.pop(record.digest, None)

    def begin(self, record: Record) -> str:
        """A new run, or that of an attempt which was broken off; its id."""
        # the model's is the first
        parent = next(iter(self.runs.values()), None)
        runs = drawing.find(self.client, self.experiment_id, record.digest, parent)
        if any(run.info.status == "FINISHED" for run in runs):
            raise Drawn
        tagged = replace(record, tags=record.tags | ({drawing.PARENT_TAG: parent} if parent else {}))
        return drawing.begin(self.client, self.experiment_id, tagged, drawing.begun(self.client, runs, record.started, record.curves))

    def leave(self, log: Log) -> None:
        """Draw what the training has left; where it was broken off, say so."""
        with self.store.alone():
            if log.whole is not None and log.end and is_complete(log.whole.tags["model"]):
                record = unevaluated(read(log.whole.tags["model"]))
                settled(self.client, self.experiment_id, record.digest, partial(drawing.draw, self.client, self.experiment_id, record))
                return
            for run_id in self.runs.values():
                if self.client.get_run(run_id).info.status == "RUNNING":
                    self.client.set_terminated(run_id, status="KILLED")
