"""
A web server on a loopback port that keeps what is posted to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Receiver:
    """
    Attributes:
        taken: Headers and body of everything that was posted, in order; answered with `status`.
    """

    taken: list[tuple[Message, bytes]] = field(default_factory=list)
    status: int = 204
    url: str = ""


@contextmanager
def receiver() -> Iterator[Receiver]:
    """
    A server that runs while the block does.
    """
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.taken.append((self.headers, body))
            self.send_response(kept.status)
            self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        kept.url = f"http://127.0.0.1:{server.server_port}/hooks"
        yield kept
        server.shutdown()
