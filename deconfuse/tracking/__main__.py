"""`python -m deconfuse.tracking` (make sync) and `python -m deconfuse.tracking ui [--port 5000]` (make ui)."""

import argparse
import os
import sys

from deconfuse.kernel.errors import UserError, command
from deconfuse.kernel.params import check, load
from deconfuse.params.tracking import Tracking
from deconfuse.ports import refuse_taken
from deconfuse.tracking.projection import sync
from deconfuse.tracking.record import is_complete
from deconfuse.tracking.store import find, quiet

HOST = "127.0.0.1"


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m deconfuse.tracking", description="Draw the models' files as runs in MLflow, or look at them."
    )
    parser.add_argument("what", nargs="?", choices=["sync", "ui"], default="sync", help="default: sync")
    parser.add_argument("--port", type=int, default=5000, help="of the pages that `ui` opens (default: 5000)")
    arguments = parser.parse_args()
    if arguments.what == "ui":
        open_ui(arguments.port)
    else:
        sync_all()


def sync_all() -> None:
    """Give every trained model of params.yaml its run, and say what was done; exit status 1 where the store could not be written."""
    models = [str(name) for name in load().get("models") or {}]
    ready = [model for model in models if is_complete(model)]
    synced = sync(ready, _tracking().experiment)
    if synced.problem is not None:
        sys.exit(1)
    print(synced)
    if waiting := [model for model in models if model not in ready]:
        print(f"not trained yet: {', '.join(waiting)}")


def open_ui(port: int) -> None:
    """Become MLflow's web server on this machine's own address: one worker, no job runner (by default it is 15 processes and 2 GB)."""
    store = find()
    if store.uri.startswith("http"):
        raise UserError(f"the runs are on the server {store}; open that address")
    with store.alone():
        store.prepare()
    refuse_taken(HOST, port)
    quiet()
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    print(f"{store} is shown at http://{HOST}:{port}{store.page(_tracking().experiment)}", flush=True)
    options = {
        "--backend-store-uri": store.uri,
        "--registry-store-uri": store.uri,
        "--default-artifact-root": store.artifacts or "",
        "--host": HOST,
        "--port": str(port),
        "--allowed-hosts": f"{HOST}:{port},localhost:{port}",
        "--workers": "1",
        # without it every picture of the page is a line on the terminal
        "--uvicorn-opts": "--log-level warning",
    }
    command_line = [sys.executable, "-m", "mlflow", "ui", *(word for option in options.items() for word in option)]
    os.execv(sys.executable, command_line)  # noqa: S606


def _tracking() -> Tracking:
    return check(load().get("tracking") or {}, Tracking, "tracking")


if __name__ == "__main__":
    command(main)
