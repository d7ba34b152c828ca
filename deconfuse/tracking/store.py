"""Where the MLflow store is, and how it is opened: one writer at a time, never for long."""

import logging
import os
import re
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from filelock import FileLock, Timeout

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import whole
from deconfuse.tracking.place import repository
from deconfuse.tracking.views import KEY, TAG

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

SQLITE = "sqlite:///"
ARTIFACTS_TAG = "deconfuse.artifacts"
PATH_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
VIEW = """SELECT e.experiment_id, t.value FROM experiments e
    LEFT JOIN experiment_tags t ON t.experiment_id = e.experiment_id AND t.key = ? WHERE e.name = ?"""
ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    # by default a dead server holds its client for minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


@dataclass(frozen=True)
class Store:
    """A tracking store: its URI for MLflow, its file if it is SQLite, and where new experiments keep files (None: the server says)."""

    uri: str
    lock: Path
    database: Path | None
    artifacts: str | None

    def __str__(self) -> str:
        return re.sub(r"(?<=://)[^/@]+@", "", self.uri)

    @contextmanager
    def alone(self, seconds: float = 60) -> Generator[None]:
        """Keep out other writers of this project. Raises UserError when one holds the store longer than `seconds`."""
        lock = FileLock(self.lock, timeout=seconds)
        try:
            lock.acquire()
        except Timeout:
            raise UserError(f"another process has held {self.lock} for {seconds:.0f} s") from None
        except OSError as error:
            raise UserError(f"{self.lock} cannot be made: {error}") from None
        try:
            yield
        finally:
            lock.release()

    def prepare(self) -> None:
        """Make a SQLite store that can be written, with its paths right for where it lies now; call it `alone`.

        Raises UserError where the file cannot be used: MLflow itself would try again for 100 s.
        """
        if self.database is None or self.artifacts is None:
            return
        try:
            if not self.database.exists() or self.database.stat().st_size == 0:
                _create(self.database, self.artifacts)
            _rebase(self.database, self.artifacts)
        except (OSError, sqlite3.Error) as error:
            raise UserError(f"{self.database} cannot be written: {error}") from None

    def page(self, experiment: str) -> str:
        """Where MLflow's pages show the experiment's runs, from the server's address on; its start page opens on language models.

        Empty where the store is no SQLite file, or does not have the experiment yet.
        """
        if self.database is None:
            return ""
        with closing(sqlite3.connect(self.database, timeout=5)) as connection:
            found = connection.execute(VIEW, (TAG, experiment)).fetchone()
        if not found:
            return ""
        way = f"viewStateShareKey={KEY}" if found[1] else "compareRunsMode=CHART"
        return f"/#/experiments/{found[0]}/runs?workflowType=machine_learning&{way}"

    def client(self) -> "MlflowClient":
        """MLflow's client for the store, quiet and with little patience."""
        quiet()
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=self.uri)


def find(root: Path | None = None) -> Store:
    """The store of the project at `root`: what `MLFLOW_TRACKING_URI` says, else `mlflow.db` there.

    Without `root` it is the repository, also from within a temporary copy that `dvc exp run --temp` or `--queue` runs in,
    and from within a worktree of git.
    """
    root = (root or repository()).resolve()
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}mlflow.db"
    if uri.startswith(SQLITE):
        return _sqlite(root, uri)
    if "://" not in uri or uri.startswith(("file:", "sqlite:")):
        raise UserError(
            f"MLFLOW_TRACKING_URI={uri} is no store that MLflow writes; use sqlite:////folder/mlflow.db, https://server, or unset it"
        )
    artifacts = None if uri.startswith("http") else (root / "mlruns").as_uri()
    return Store(uri, root / "mlflow.db.lock", None, artifacts)


def quiet() -> None:
    """Settings that MLflow reads when it is imported; what the user set stands."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _sqlite(root: Path, uri: str) -> Store:
    name = unquote(uri.removeprefix(SQLITE))
    if name in ("", ":memory:"):
        raise UserError(f"MLFLOW_TRACKING_URI={uri} keeps nothing; name a file: sqlite:////folder/mlflow.db")
    database = root / name
    if not database.parent.is_dir():
        raise UserError(f"MLFLOW_TRACKING_URI={uri}: there is no folder {database.parent}")
    return Store(_uri(database), database.with_name(f"{database.name}.lock"), database, (database.parent / "mlruns").as_uri())


def _uri(database: Path) -> str:
    # SQLAlchemy reads the two signs as those of a URL
    return SQLITE + database.as_posix().replace("%", "%25").replace("?", "%3F")


def _create(database: Path, artifacts: str) -> None:
    """Make the tables under another name: neither a kill nor a second process sees half of them."""
    quiet()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with whole(database) as temporary:
        SqlAlchemyStore(_uri(temporary), artifacts).engine.dispose()


def _rebase(database: Path, artifacts: str) -> None:
    """Put the present folder in place of the one that the store was in before it was moved or copied."""
    with closing(sqlite3.connect(database, timeout=5)) as connection:
        # takes the write lock, so that a store that is locked, damaged or read-only is found out here
        connection.execute("BEGIN IMMEDIATE")
        olds = connection.execute("SELECT DISTINCT value FROM experiment_tags WHERE key = ? AND value != ?", (ARTIFACTS_TAG, artifacts))
        for (old,) in olds.fetchall():
            for table, column in PATH_COLUMNS:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column} || '/', 1, ?) = ?",  # noqa: S608
                    (artifacts, len(old) + 1, len(old) + 1, f"{old}/"),
                )
        connection.execute("UPDATE experiment_tags SET value = ? WHERE key = ?", (artifacts, ARTIFACTS_TAG))
        connection.commit()
