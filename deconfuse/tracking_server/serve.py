"""Become `mlflow server`."""

import os
import re
import sys
from typing import NoReturn

from deconfuse.ports import refuse_taken
from deconfuse.tracking_server.folder import Folder


def become(folder: Folder, host: str, port: int, workers: int, public: str | None) -> NoReturn:
    """Become MLflow's server with what the folder holds; no secret is on the command line, and none in the addresses.

    Args:
        folder: as it was set up.
        host: address to listen at.
        port: the same.
        workers: processes that answer.
        public: name under which browsers reach it through a proxy with HTTPS.

    Raises UserError where the folder is not complete or the port is taken.
    """
    address = folder.address()
    refuse_taken(host, port)
    if not host.startswith("127.") and host not in ("localhost", "::1"):
        print(
            f"warning: {host} is seen by others, and passwords are sent in clear: let a proxy with HTTPS stand before it", file=sys.stderr
        )
    print(f"MLflow on http://{host}:{port}, database {re.sub('//.*@', '//', address)}, files in {folder.artifacts}", flush=True)
    options = {
        "--artifacts-destination": folder.artifacts.as_uri(),
        "--app-name": "basic-auth",
        "--host": host,
        "--port": str(port),
        "--workers": str(workers),
        "--allowed-hosts": ",".join([f"{name}:{port}" for name in sorted({host, "127.0.0.1", "localhost"})] + ([public] if public else [])),
        # without it every picture of the page is a line on the terminal
        "--uvicorn-opts": "--log-level warning",
    }
    if public:
        options["--cors-allowed-origins"] = f"https://{public}"
    words = [sys.executable, "-m", "mlflow", "server", "--serve-artifacts", *(word for option in options.items() for word in option)]
    # not on the command line, for who writes a password into auth.ini's address himself
    os.execve(sys.executable, words, _environment(folder) | {"MLFLOW_BACKEND_STORE_URI": address})  # noqa: S606


def _environment(folder: Folder) -> dict[str, str]:
    """What MLflow and libpq read; an administrator's password in the environment stands."""
    return {
        "MLFLOW_AUTH_ADMIN_PASSWORD": folder.admin_password.read_text(encoding="utf-8").strip(),
        # an administrator's of the database would go before the role's own
        **{name: value for name, value in os.environ.items() if name != "PGPASSWORD"},
        "PGPASSFILE": str(folder.pgpass),
        "MLFLOW_AUTH_CONFIG_PATH": str(folder.settings),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": folder.session_key.read_text(encoding="utf-8").strip(),
        # by default it is many processes more
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "PYTHONWARNINGS": "ignore",
    }
