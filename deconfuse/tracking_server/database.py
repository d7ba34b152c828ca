"""The server's role and database in PostgreSQL."""

import re
from typing import TYPE_CHECKING

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import write_text
from deconfuse.tracking_server.folder import Folder, new_secret

if TYPE_CHECKING:
    from psycopg import Connection

ROLE, DATABASE = "SELECT 1 FROM pg_roles WHERE rolname = %s", "SELECT 1 FROM pg_database WHERE datname = %s"


def make(name: str, folder: Folder) -> str:
    """Make a role and a database of its own, both called `name`, unless they are there; return the database's address.

    Where PostgreSQL is, and as whom to ask it, libpq's environment says (PGHOST, PGPORT, PGUSER, PGPASSFILE ...): by default a server on
    this machine and the user's own role, which must be allowed to make roles and databases. The new role's password is made here and
    goes into the folder; PostgreSQL gets its SCRAM verifier only, so that no log of it can hold the password.

    Raises UserError where PostgreSQL refuses.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", name):
        raise UserError(f"--name {name}: a role of PostgreSQL is named with a-z, 0-9 and _, not beginning with a number")
    import psycopg

    try:
        with psycopg.connect(dbname="postgres", autocommit=True, connect_timeout=10) as admin:
            host, port = admin.info.host, admin.info.port
            # over the socket Debian lets only the system's user of the same name in
            host = "127.0.0.1" if host.startswith("/") else host
            password = _password(admin, name, host, port, folder)
            _make_role(admin, name, password)
            _make_database(admin, name)
    except psycopg.Error as error:
        raise UserError(f"PostgreSQL: {_one_line(error)}") from None
    _try(name, host, port, password)
    return f"postgresql+psycopg://{name}@{host}:{port}/{name}"


def _password(admin: "Connection", name: str, host: str, port: int, folder: Folder) -> str:
    """That of the folder; a new one where there is no role of the name yet. Written down before the role is made: a crash loses nothing."""
    place = f"{host}:{port}:*:{name}"
    if folder.pgpass.exists():
        known, _, password = folder.pgpass.read_text(encoding="utf-8").strip().rpartition(":")
        if known != place:
            raise UserError(f"{folder.root} is the folder of {known}, and this is {place}: name another folder")
        return password
    if admin.execute(ROLE, [name]).fetchone():
        raise UserError(
            f"PostgreSQL has a role {name!r} already, and {folder.root} no password of it: "
            "name the folder that it was made with, or another role with --name"
        )
    password = new_secret()
    write_text(folder.pgpass, f"{place}:{password}\n")
    return password


def _make_role(admin: "Connection", name: str, password: str) -> None:
    from psycopg import sql

    verifier = admin.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
    verb = "ALTER" if admin.execute(ROLE, [name]).fetchone() else "CREATE"
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
    admin.execute(statement.format(sql.SQL(verb), sql.Identifier(name), sql.Literal(verifier)))


def _make_database(admin: "Connection", name: str) -> None:
    from psycopg import sql

    if admin.execute(DATABASE, [name]).fetchone():
        return
    role = sql.Identifier(name)
    # who is no superuser can only give a database to a role that it is a member of
    admin.execute(sql.SQL("GRANT {} TO CURRENT_USER").format(role))
    # the locale of the server may be that of a bare machine, which knows no letters but ASCII's
    admin.execute(sql.SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(role, role))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(role))
    admin.execute(sql.SQL("REVOKE {} FROM CURRENT_USER").format(role))


def _try(name: str, host: str, port: int, password: str) -> None:
    """Open the database as the server will. Raises UserError where that fails."""
    import psycopg

    try:
        psycopg.connect(host=host, port=port, dbname=name, user=name, password=password, connect_timeout=10).close()
    except psycopg.Error as error:
        raise UserError(
            f"the role {name!r} cannot open its database: {_one_line(error)}; "
            f"pg_hba.conf needs a line such as `host {name} {name} 127.0.0.1/32 scram-sha-256`"
        ) from None


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
