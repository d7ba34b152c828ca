"""Read the log of a training that is under way; `deconfuse/training/journal.py` says what is in it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from deconfuse.tracking.points import Points, milliseconds, points, system
from deconfuse.tracking.record import Record, outline


class Log:
    """A log as far as it is written, and what of it is not drawn yet."""

    def __init__(self, path: Path) -> None:
        self.file = path.open(encoding="utf-8")
        self.rest = ""
        self.whole: Record | None = None
        """The model's run, its seeds below it; None before the first line."""
        self.started: dict[str, int] = {}
        """When the seeds began, in milliseconds."""
        self.waiting: dict[str, Points] = {}
        """By digest what its run lacks."""
        self.looks = 0
        self.end: bool | None = None
        """How it ended, true: well; None before."""

    def read(self) -> None:
        """Take in the lines that are new and whole."""
        *lines, self.rest = (self.rest + self.file.read()).split("\n")
        for line in lines:
            self._take(json.loads(line))

    def _take(self, line: dict[str, Any]) -> None:
        if "begin" in line:
            self.whole = outline(line["begin"], line["begin"]["model"])
        elif "started" in line:
            self.started[str(line["seed"])] = milliseconds(line["started"])
        elif "row" in line:
            self._add(self._of(str(line["seed"])), points(line["row"], line["ended"]))
        elif "system" in line:
            self._add(self._of(None), system([line["system"]], self.looks))
            self.looks += 1
        else:
            self.end = line["end"]

    def _add(self, digest: str, new: Points) -> None:
        self.waiting[digest] = self.waiting.get(digest, []) + new

    def _of(self, seed: str | None) -> str:
        """The digest of a seed's run; a single seed has the model's."""
        assert self.whole is not None
        return self.whole.digest if seed is None or len(self.whole.seeds) == 1 else self.whole.seeds[seed].digest

    def runs(self) -> list[Record]:
        """The runs that there must be by now, the model's first; where they began, and with what is not drawn yet."""
        if self.whole is None or not self.started:
            return []
        whole = self._as_it_is(self.whole, min(self.started.values()))
        below = [self._as_it_is(self.whole.seeds[seed], at) for seed, at in self.started.items() if len(self.whole.seeds) > 1]
        return [whole, *below]

    def _as_it_is(self, record: Record, started: int) -> Record:
        return replace(record, started=started, curves=self.waiting.get(record.digest, []))
