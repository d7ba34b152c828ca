"""A real HTTP server on this machine that behaves well, or as badly as servers do."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY = bytes(range(256)) * 1000
"""What is asked for: 256,000 bytes."""


class Answer(BaseHTTPRequestHandler):
    """Answers as the function for its path says; the server counts the visits and keeps their Range headers."""

    def do_GET(self) -> None:
        self.server.asked.append(self.headers.get("Range"))
        way = self.server.ways.get(self.path)
        if way is None:
            self.send_error(404)
        else:
            way(self, self.server.asked.__len__())

    def head(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def drop(self) -> None:
        self.wfile.flush()
        self.connection.close()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


Way = Callable[[Answer, int], None]


@contextmanager
def serving(**ways: Way) -> Iterator[tuple[str, list]]:
    """Yield the address of a server and the list of the Range headers of its visits; `ways` says how each path answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    server.ways, server.asked = {f"/{path}": way for path, way in ways.items()}, []
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        server.server_close()


def good(answer: Answer, visit: int, body: bytes = BODY) -> None:
    """Resumes where it is asked to."""
    asked = answer.headers.get("Range")
    start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked else 0
    if start >= len(body):
        answer.head(416, Content_Range=f"bytes */{len(body)}", Content_Length=0)
    elif start:
        answer.head(206, Content_Length=len(body) - start, Content_Range=f"bytes {start}-{len(body) - 1}/{len(body)}")
    else:
        answer.head(200, Content_Length=len(body))
    answer.wfile.write(body[start:])


def whole(answer: Answer, visit: int) -> None:
    """Knows no Range."""
    answer.head(200, Content_Length=len(BODY))
    answer.wfile.write(BODY)


def cut(then: Way, length: bool = True, keep: int = 100_000) -> Way:
    """Drops the first connection after `keep` bytes."""

    def way(answer: Answer, visit: int) -> None:
        if visit > 1:
            return then(answer, visit)
        answer.head(200, **({"Content_Length": len(BODY)} if length else {}))
        answer.wfile.write(BODY[:keep])
        return answer.drop()

    return way


def status(code: int, times: int = 10**9, then: Way = good, **headers: object) -> Way:
    """Answers with a status for the first visits."""
    return lambda answer, visit: answer.head(code, Content_Length=0, **headers) if visit <= times else then(answer, visit)


def sending(body: bytes, kind: str = "application/octet-stream", length: bool = True) -> Way:
    """Sends something else."""

    def way(answer: Answer, visit: int) -> None:
        answer.head(200, Content_Type=kind, **({"Content_Length": len(body)} if length else {}))
        answer.wfile.write(body)

    return way


def stalling(times: int) -> Way:
    """Sends a little and then nothing, the first times."""

    def way(answer: Answer, visit: int) -> None:
        if visit > times:
            return good(answer, visit)
        answer.head(200, Content_Length=len(BODY))
        answer.wfile.write(BODY[:100_000])
        answer.wfile.flush()
        return time.sleep(1)

    return way
