"""`python -m deconfuse.tracking_server setup FOLDER [--name mlflow]`, and `... run FOLDER [--host 127.0.0.1] [--port 5000]`."""

import argparse
import os
from importlib.util import find_spec
from pathlib import Path

from deconfuse.kernel.errors import UserError, command
from deconfuse.tracking_server.database import make
from deconfuse.tracking_server.folder import Folder
from deconfuse.tracking_server.serve import become


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog="python -m deconfuse.tracking_server", description="MLflow's tracking server for a team.")
    commands = parser.add_subparsers(dest="what", required=True)
    setup = commands.add_parser("setup", help="make what the server needs; made twice it is the same")
    setup.add_argument("folder", type=Path, help="where the server keeps its settings, passwords and files")
    setup.add_argument("--name", default="mlflow", help="of the role and the database in PostgreSQL (default: mlflow)")
    run = commands.add_parser("run", help="become the server")
    run.add_argument("folder", type=Path, help="as it was set up")
    run.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1, this machine alone)")
    run.add_argument("--port", type=int, default=5000, help="default: 5000")
    run.add_argument("--workers", type=int, default=2, help="processes that answer (default: 2)")
    run.add_argument("--public", help="name under which browsers reach it over HTTPS, where a proxy stands before it: mlflow.example.org")
    arguments = parser.parse_args()
    if not (find_spec("psycopg") and find_spec("flask_wtf")):
        raise UserError("the server needs more packages: pip install -e '.[server]' -c constraints.txt")
    folder = Folder(arguments.folder.expanduser().absolute())
    if arguments.what == "setup":
        set_up(folder, arguments.name)
    else:
        become(folder, arguments.host, arguments.port, arguments.workers, arguments.public)


def set_up(folder: Folder, name: str) -> None:
    """Make the role, the database and the folder; what is there already stands."""
    # nobody else may read what is made here
    os.umask(0o077)
    address = make(name, folder)
    folder.configure(address)
    print(f"database {address}")
    print(f"the administrator of MLflow is `admin`, the password is in {folder.admin_password}")
    print(f"python -m deconfuse.tracking_server run {folder.root}")


if __name__ == "__main__":
    command(main)
