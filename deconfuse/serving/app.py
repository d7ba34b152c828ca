"""A packaged model behind HTTP on this machine's own address.

    python -P -m deconfuse.serving.app FOLDER [--port 5001]

Speaks as MLflow's own server does (`/invocations`, `/ping`, `/health`, `/version`), and adds what that lacks: a limit on bodies, a look at
the header Host, a 400 with its reason for whatever is no request.
"""

import argparse
import asyncio
import json
import socket
from importlib.metadata import version
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from deconfuse.kernel.errors import UserError, command
from deconfuse.serving.asking import asked
from deconfuse.serving.bundle import BUNDLE
from deconfuse.serving.limits import REQUEST, RequestError
from deconfuse.serving.served import Served

HOST = "127.0.0.1"
PATIENCE = 60.0
"""Seconds for a body to come in."""
READ = 2**30
"""Bytes of a body that are read to its end, though nothing is kept of one that is too large: a client that still sends hears no answer."""
WAITING = 16
"""Requests at a time; more are told to come again."""


def application(served: Served, hosts: set[str]) -> Starlette:
    """The server of a model; `hosts` are the values of the header Host that it answers."""

    async def invocations(request: Request) -> Response:
        try:
            refuse_stranger(request, hosts)
            rows, contributions = asked(await body(request))
            answers = await asyncio.to_thread(served.answer, rows, contributions)
        except RequestError as reason:
            return JSONResponse({"error_code": "BAD_REQUEST", "message": str(reason)}, 400)
        # one line even where a reason holds what no UTF-8 can
        return Response(json.dumps({"predictions": answers}), media_type="application/json")

    async def ping(request: Request) -> Response:
        return PlainTextResponse("\n")

    async def told(request: Request) -> Response:
        return PlainTextResponse(version("mlflow"))

    routes = [Route("/invocations", invocations, methods=["POST"]), Route("/version", told)]
    return Starlette(routes=[*routes, *(Route(path, ping) for path in ("/ping", "/health"))])


def refuse_stranger(request: Request, hosts: set[str]) -> None:
    """Raise RequestError for a request that another site's page may have sent (DNS rebinding), or whose body is no JSON.

    A page of another origin may not send `application/json` unasked, and nobody here allows it.
    """
    if request.headers.get("host") not in hosts:
        raise RequestError(f"the header Host must be one of {', '.join(sorted(hosts))}")
    kind, _, more = request.headers.get("content-type", "").lower().partition(";")
    if kind.strip() != "application/json" or more.replace(" ", "").replace('"', "") not in ("", "charset=utf-8"):
        raise RequestError("the header Content-Type must be application/json, in UTF-8")


async def body(request: Request) -> bytes:
    """The whole body. Raises RequestError for one that is too large, or does not come."""
    kept, size = bytearray(), 0
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= REQUEST:
                    kept += chunk
                elif size > READ:
                    break
    except (TimeoutError, ClientDisconnect):
        raise RequestError(f"the body did not come within {PATIENCE:g} s") from None
    if size > REQUEST:
        raise RequestError(f"the body has more than {REQUEST:,} bytes; send fewer rows at a time")
    return bytes(kept)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deconfuse.serving.app", description="Serve a packaged model on this machine.")
    parser.add_argument("folder", type=Path, help="a model of MLflow that this project has packaged")
    parser.add_argument("--port", type=int, default=5001, help="default: 5001; 0 takes a free one")
    arguments = parser.parse_args()
    with listening(arguments.port) as open_socket:
        port = open_socket.getsockname()[1]
        app = application(Served(arguments.folder / BUNDLE), {f"{name}:{port}" for name in (HOST, "localhost")})
        print(f"answers at http://{HOST}:{port}/invocations", flush=True)
        settings = uvicorn.Config(app, limit_concurrency=WAITING, access_log=False, log_level="warning", server_header=False)
        uvicorn.Server(settings).run(sockets=[open_socket])


def listening(port: int) -> socket.socket:
    """An open port, before anything is loaded. Raises UserError."""
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise UserError(f"port {port} cannot be used ({error}); choose another with --port") from None


if __name__ == "__main__":
    command(main)
