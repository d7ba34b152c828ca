"""What the server keeps in its folder: MLflow's settings of accounts, three secrets, the runs' files."""

import secrets
from configparser import ConfigParser, Error
from dataclasses import dataclass
from pathlib import Path

from deconfuse.kernel.errors import UserError
from deconfuse.kernel.files import write_text

SETTINGS = """\
# Accounts of MLflow. Everyone who has one may write and delete runs, as the workflow does with one that was broken off; what is
# deleted lies in MLflow's bin. READ, EDIT or NO_PERMISSIONS leave more to the permissions that the administrator gives.
[mlflow]
default_permission = MANAGE
admin_username = admin
# the password is in `pgpass`, which PostgreSQL's library reads
database_uri = {address}
# seconds for which a password that was right is not computed anew: it takes a twentieth of one, at each of thousands of requests
auth_cache_ttl_seconds = 60
"""


@dataclass(frozen=True)
class Folder:
    """The server's folder, with files that its owner alone may read."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "auth.ini"

    @property
    def pgpass(self) -> Path:
        """Password of the role in PostgreSQL, as libpq reads it: host:port:database:role:password."""
        return self.root / "pgpass"

    @property
    def admin_password(self) -> Path:
        """MLflow's administrator gets it when the server first starts."""
        return self.root / "admin_password"

    @property
    def session_key(self) -> Path:
        """What the pages' forms are signed with."""
        return self.root / "session_key"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    def configure(self, address: str) -> None:
        """Make what is not there."""
        self.artifacts.mkdir(parents=True, exist_ok=True)
        for path in (self.admin_password, self.session_key):
            if not path.exists():
                write_text(path, f"{new_secret()}\n")
        if not self.settings.exists():
            write_text(self.settings, SETTINGS.format(address=address.replace("%", "%%")))

    def address(self) -> str:
        """Of the database, without password. Raises UserError where the folder was not set up, or others may read its secrets."""
        if missing := [path.name for path in (self.settings, self.pgpass, self.admin_password, self.session_key) if not path.is_file()]:
            raise UserError(f"{self.root} lacks {', '.join(missing)}; make it with `python -m deconfuse.tracking_server setup {self.root}`")
        for path in (self.pgpass, self.admin_password, self.session_key):
            if path.stat().st_mode & 0o077:
                raise UserError(f"{path} can be read by others; run `chmod 600 {path}`")
        settings = ConfigParser()
        try:
            settings.read(self.settings, encoding="utf-8")
            return settings["mlflow"]["database_uri"]
        except (Error, KeyError, ValueError) as error:
            raise UserError(f"{self.settings} is not as MLflow reads it ({error!r}); delete it and run setup again") from None


def new_secret() -> str:
    """32 characters that need no quoting anywhere."""
    return secrets.token_urlsafe(24)
