"""A real PostgreSQL and the real tracking server on this machine, set up by the project's own commands."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import requests

ROOT = Path(__file__).parents[1]
PROGRAMS = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Where Debian keeps PostgreSQL's; None where it is not installed."""
MAKER = "maker"
"""A role that may make roles and databases, and is no superuser."""

# random, for the tests themselves are in the clone that is searched for them
MEMBERS = {name: f"{name}'s {token_urlsafe(12)}" for name in ("ann", "bob")}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Postgres:
    """A running server; who runs the tests is its superuser."""

    folder: Path
    port: int

    @property
    def variables(self) -> dict[str, str]:
        return {"PGHOST": str(self.folder), "PGPORT": str(self.port)}

    def run(self, program: str, *words: str) -> str:
        assert PROGRAMS is not None
        done = subprocess.run([PROGRAMS / program, *words], env=os.environ | self.variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def log(self) -> str:
        return (self.folder / "log").read_text()


@dataclass(frozen=True)
class Team:
    """A running server, and how its members reach it."""

    address: str
    folder: Path
    log: Path
    database: Postgres

    def variables(self, member: str, password: str | None = None) -> dict[str, str]:
        return {
            "MLFLOW_TRACKING_URI": self.address,
            "MLFLOW_TRACKING_USERNAME": member,
            "MLFLOW_TRACKING_PASSWORD": password or MEMBERS[member],
            # many tests at a time make a machine slow
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "60",
        }

    def secret(self, name: str) -> str:
        return (self.folder / name).read_text().strip().rpartition(":")[2]

    def get(self, path: str, member: str = "ann") -> Any:
        reply = requests.get(f"{self.address}/api/2.0/mlflow/{path}", auth=(member, MEMBERS[member]), timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def post(self, path: str, member: str, **body: Any) -> Any:
        password = self.secret("admin_password") if member == "admin" else MEMBERS[member]
        reply = requests.post(f"{self.address}/api/2.0/mlflow/{path}", json=body, auth=(member, password), timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def runs(self, experiment: str = "deconfuse") -> dict[str, list[dict[str, Any]]]:
        """The active runs of an experiment by name."""
        number = self.get(f"experiments/get-by-name?experiment_name={experiment}")["experiment"]["experiment_id"]
        found: dict[str, list[dict[str, Any]]] = {}
        for run in self.post("runs/search", "bob", experiment_ids=[number], max_results=1000).get("runs", []):
            found.setdefault(run["info"]["run_name"], []).append(run)
        return found

    def dump(self) -> str:
        """All rows; newer versions of pg_dump put a random word before and after them."""
        text = self.database.run("pg_dump", "--data-only", "--inserts", "mlflow")
        return "\n".join(line for line in text.splitlines() if not line.startswith("\\"))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A new one that logs all statements, as strict over TCP as Debian's."""
    # short, for a socket's path has a limit, and open to the user that PostgreSQL runs as
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    found = Postgres(folder, free_port())
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        who = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        as_itself("initdb", "-D", folder / "data", "-U", who, "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync")
        settings = f"-p {found.port} -c unix_socket_directories={folder} -c listen_addresses=127.0.0.1 -c fsync=off -c log_statement=all"
        as_itself("pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log", "-o", settings, "start")
        try:
            found.run("psql", "-d", "postgres", "-c", f"CREATE ROLE {MAKER} LOGIN CREATEDB CREATEROLE")
            yield found
        finally:
            as_itself("pg_ctl", "-D", folder / "data", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def as_itself(program: str, *words: str | Path) -> None:
    """PostgreSQL refuses to be root."""
    assert PROGRAMS is not None
    change = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    # a server keeps open what it is given
    subprocess.run([*change, PROGRAMS / program, *words], cwd="/", check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def command(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the project's command for the server."""
    line = [sys.executable, "-m", "deconfuse.tracking_server", *words]
    return subprocess.run(line, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=120)


@contextmanager
def tracking_server(folder: Path, port: int, log: Path) -> Iterator[str]:
    """Run the server that was set up in `folder`; yields its address."""
    line = [sys.executable, "-m", "deconfuse.tracking_server", "run", folder, "--port", str(port), "--workers", "1"]
    with log.open("wb") as file:
        process = subprocess.Popen(line, cwd=ROOT, stdout=file, stderr=file)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 180
        while not is_healthy(address):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def is_healthy(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5) as reply:
            return reply.status == 200
    except (URLError, OSError):
        return False
