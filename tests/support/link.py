"""
A TCP link that can be cut: it stands between a client and a server and does to the bytes what networks do.
"""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with RST


class Link:
    """
    Forwards connections to a server.

    Attributes:
        open: While false, new connections are reset at once.
        silent: While true, bytes from the server are swallowed, and neither side hears of it.
        cut_after: Bytes from the server after which the next connections are reset; None for never.
        connections: How many were made so far.
    """

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.open = True
        self.silent = False
        self.cut_after: int | None = None
        self.connections = 0
        self._sockets: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """
        Reset every connection there is.
        """
        for end in list(self._sockets):
            self._reset(end)

    def close(self) -> None:
        """
        Cut everything and take no more connections.
        """
        self.open = False
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._sockets.add(client)
        if not self.open:
            self._reset(client)
            return
        try:
            server = socket.create_connection(self._server)
        except OSError:
            self._reset(client)
            return
        self._sockets.add(server)
        threading.Thread(target=self._forward, args=(client, server, None), daemon=True).start()
        self._forward(server, client, self.cut_after)

    def _forward(self, source: socket.socket, sink: socket.socket, limit: int | None) -> None:
        from_server = sink.getsockname()[1] == self.port
        with suppress(OSError):
            while data := source.recv(65536 if limit is None else min(limit, 65536)):
                if self.silent and from_server:
                    continue
                sink.sendall(data)
                if limit is not None:
                    limit -= len(data)
                    if limit == 0:
                        break
        self._reset(source)
        self._reset(sink)

    def _reset(self, end: socket.socket) -> None:
        self._sockets.discard(end)
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def linked(url: str) -> Iterator[tuple[Link, str]]:
    """
    A link to the server of a URL, and the URL that leads through it.
    """
    place = urlsplit(url)
    link = Link(place.hostname or "127.0.0.1", place.port or 0)
    credentials, at, _ = place.netloc.rpartition("@")
    try:
        yield link, urlunsplit(place._replace(netloc=f"{credentials}{at}127.0.0.1:{link.port}"))
    finally:
        link.close()
