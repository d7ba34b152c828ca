"""Draw runs into the MLflow store, each once, and never stand in the way of the work."""

import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.words import plural
from deconfuse.tracking import comparison, drawing, registry
from deconfuse.tracking.cache import Entry, Past, files, past, remembered, reports
from deconfuse.tracking.faults import again, one_line
from deconfuse.tracking.place import repository
from deconfuse.tracking.points import milliseconds
from deconfuse.tracking.record import Record, locked, read
from deconfuse.tracking.store import ARTIFACTS_TAG, Store, find
from deconfuse.tracking.twins import settled
from deconfuse.tracking.views import save

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@dataclass
class Synced:
    """What a sync did, by models' names; `problem` says in one line what kept it from the end, None where nothing did."""

    store: str = ""
    written: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Earlier trainings whose files are damaged, or those of another version of this project."""
    problem: str | None = None
    champion: str | None = None
    """Which model the registry holds as the best, and why; None where none is evaluated."""

    def __str__(self) -> str:
        updated = f", {len(self.updated)} evaluated anew" if self.updated else ""
        unreadable = f", {len(self.unreadable)} that cannot be read left out" if self.unreadable else ""
        champion = f"; {self.champion}" if self.champion else ""
        written = plural(len(self.written), "run")
        return f"{written} written{updated}, {len(self.known)} already there{unreadable}; store {self.store}{champion}"

    def after(self, first: "Synced") -> "Synced":
        """What this sync and one right before it did together."""
        written, updated = first.written + self.written, first.updated + self.updated
        # the second finds what the first has written, beside earlier trainings of the same names, and the champion that it has made
        known = list((Counter(self.known) - Counter(first.written + first.updated)).elements())
        return replace(self, written=written, updated=updated, known=known, champion=first.champion or self.champion)


def sync(models: list[str], experiment: str, root: Path | None = None) -> Synced:
    """Give every trained model of the current folder its run in the store, then every other training that DVC remembers, then reports.

    root: of the project (default: the repository); the store is there, where `MLFLOW_TRACKING_URI` names none.
    Whatever fails in the store ends as a warning and in `problem`: the files are whole, and the next sync draws the rest.
    Raises UserError only for a model's own files.
    """
    records = [read(model) for model in models]
    synced = Synced()
    try:
        store = find(root)
        synced.store = str(store)
        with store.alone():
            store.prepare()
            client = store.client()
            experiment_id = make_experiment(client, experiment, store)
        entries = remembered(root or repository())
        earlier = past(entries)
        for record in records:
            # the lock is held for a run at a time: others, who draw as well, need not wait for all of them
            with store.alone():
                known = next((one for one in earlier if one.digest == record.digest), None)
                outcome = settled(client, experiment_id, record.digest, partial(_draw, client, experiment_id, record, known))
            getattr(synced, outcome).append(record.tags["model"])
        own = {record.tags["model"]: record.digest for record in records}
        drawn = drawing.drawn(client, experiment_id)
        _draw_earlier(client, experiment_id, store, [one for one in earlier if one.digest not in own.values()], drawn, synced)
        written = reports(entries)
        _draw_reports(client, experiment_id, store, written, drawn)
        registry.crown_earlier(client, store, experiment_id, experiment, written, earlier)
        synced.champion = registry.crown(client, store, experiment_id, experiment, own)
        with store.alone():
            again(partial(save, client, experiment_id, records))
    # MLflow lets through errors of SQLAlchemy, alembic, requests and the disk; none may cost a finished training
    except Exception as error:  # noqa: BLE001
        synced.problem = f"tracking: {one_line(error)}; the outputs are whole; run `make sync` later"
        print(f"warning: {synced.problem}", file=sys.stderr)
    return synced


def _draw(client: "MlflowClient", experiment_id: str, record: Record, known: Past | None) -> drawing.Outcome:
    """Draw a model of the current folder; what was trained twice, by force or after a detour, as it was the first time."""
    if known is None:
        return drawing.draw(client, experiment_id, record)
    if (known.evaluated is None and record.evaluation is not None) or milliseconds(known.started) >= record.started:
        return drawing.draw(client, experiment_id, locked(record, known.lock()))
    with files(known.entries) as folder:
        return drawing.draw(client, experiment_id, locked(read(known.model, folder), known.lock()))


def make_experiment(client: "MlflowClient", name: str, store: Store) -> str:
    """The experiment's id; made where there is none, with its files in the store's folder and not in the current one."""
    # someone else on the same server may make it at the same moment
    return again(partial(_make_experiment, client, name, store))


def _make_experiment(client: "MlflowClient", name: str, store: Store) -> str:
    found = client.get_experiment_by_name(name)
    if found is None:
        # the tag names the folder, so that a moved project finds its files again
        tags = {ARTIFACTS_TAG: store.artifacts} if store.artifacts else {}
        return client.create_experiment(name, artifact_location=store.artifacts, tags=tags)
    if found.lifecycle_stage != "active":
        raise UserError(
            f"the experiment {name!r} was deleted in MLflow; bring it back (`mlflow experiments restore -x {found.experiment_id}`), "
            "or set another name at `tracking.experiment`"
        )
    return found.experiment_id


def _draw_earlier(
    client: "MlflowClient", experiment_id: str, store: Store, earlier: list[Past], drawn: dict[str, set[str]], synced: Synced
) -> None:
    """The trainings that are in no experiment at all, and what the others lack: their files come from DVC's cache."""
    for one in earlier:
        needed = {drawing.EVALUATION_TAG} if one.evaluated else set()
        needed |= {drawing.MODEL_TAG} if one.can_be_served else set()
        if one.digest in drawn and needed <= drawn[one.digest]:
            synced.known.append(one.model)
            continue
        with files(one.entries) as folder, store.alone():
            try:
                record = locked(read(one.model, folder), one.lock())
                outcome = settled(client, experiment_id, record.digest, partial(drawing.draw, client, experiment_id, record))
            except UserError:
                outcome = "unreadable"
        getattr(synced, outcome).append(one.model)


def _draw_reports(client: "MlflowClient", experiment_id: str, store: Store, earlier: list[Entry], drawn: dict[str, set[str]]) -> None:
    """The report of the current folder, and those that DVC remembers."""
    if comparison.is_complete(Path()):
        _draw_report(client, experiment_id, store, Path())
    for one in earlier:
        with files([one]) as folder:
            # one of an earlier version may lack what a report has now
            if comparison.is_complete(folder) and comparison.digest(folder) not in drawn:
                _draw_report(client, experiment_id, store, folder)


def _draw_report(client: "MlflowClient", experiment_id: str, store: Store, root: Path) -> None:
    with store.alone():
        settled(client, experiment_id, comparison.digest(root), partial(comparison.draw, client, experiment_id, root))
