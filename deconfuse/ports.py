"""Ports of this machine."""

import socket

from deconfuse.kernel.errors import UserError


def refuse_taken(host: str, port: int) -> None:
    """Raises UserError where no server can be started at this address."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} cannot be used ({error}); choose another with --port") from None
