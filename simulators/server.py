"""
A simulated site behind real HTTP, with its control under `/control/`.

    python -m simulators.server --demo-courses 20 --token demo --latency small --ledger effects.jsonl
    python -m simulators.server --lms talentlms --demo-courses 20 --demo-groups 20 --token KEY --latency portal

prints one line, `{"url": "http://127.0.0.1:PORT"}`, once it answers. In a test: `with serve(site) as url: ...`.
Here the parts of a fault that need a socket are carried out: delays, dripping, cutting short, closing, resetting.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from simulators.base import SimulatedSite
from simulators.clock import MovableClock
from simulators.control import PREFIX, Control
from simulators.latency import PRESETS, latency_named
from simulators.moodle.build import TOKEN, moodle_site
from simulators.moodle.control import MoodleControl
from simulators.moodle.site import MoodleSite
from simulators.moodle.state import Settings
from simulators.talentlms.build import API_KEY, talent_site
from simulators.talentlms.control import TalentControl
from simulators.talentlms.site import TalentSite
from simulators.wire import Request, Response

ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: closing sends RST
DRIP_STEP = 0.05
AnySite = MoodleSite | TalentSite


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: SimulatorServer

    def _serve(self) -> None:
        path, _, query = self.path.partition("?")
        control = path.startswith(PREFIX)
        if not control and self.server.site.faults.refuses_connection():
            self._hang_up(reset=True)
            return
        try:
            body = self._body()
        except OSError:
            self.close_connection = True
            return
        client = str(self.client_address[0])
        request = Request(self.command, path, query, dict(self.headers.items()), body, client)
        response = self.server.control(request) if control else self.server.site(request)
        response = response.dated(self.server.site.clock())
        with suppress(OSError):  # the caller may have given up; its work stays done
            self._send(response)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _serve  # noqa: N815 - the parent's names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks()
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _send(self, response: Response) -> None:
        time.sleep(response.delay)
        if response.lost:
            self._hang_up(reset=response.close == "reset")
            return
        head = self._head(response)
        body = response.body if response.cut is None else response.body[: response.cut]
        if response.drip is None:
            self.wfile.write(head + body)
        else:
            self.wfile.write(head)
            self._drip(body, response.drip)
        if response.cut is not None or response.close == "after_answer":
            self._hang_up(reset=False)

    def _head(self, response: Response) -> bytes:
        reason = self.responses.get(response.status, ("",))[0]
        lines = [
            f"HTTP/1.1 {response.status} {reason}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
        ]
        lines += [f"Content-Length: {len(response.body)}", "", ""]
        return "\r\n".join(lines).encode("latin-1", "replace")

    def _drip(self, body: bytes, rate: float) -> None:
        step = max(1, int(rate * DRIP_STEP))
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            time.sleep(step / rate)

    def _hang_up(self, reset: bool) -> None:
        """Close the connection behind the back of the server, which would otherwise say goodbye first."""
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        os.close(self.connection.detach())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the parent's name
        """Say nothing: the ledger is the log."""


class SimulatorServer(ThreadingHTTPServer):
    """A site and its control on a loopback port."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, site: AnySite, port: int = 0, host: str = "127.0.0.1") -> None:
        super().__init__((host, port), Handler)
        self.site = site
        if isinstance(site, SimulatedSite):
            site.served_at(self.url)
        self.control = control_of(site)

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet about callers that hung up; anything else is a bug and is shown."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def control_of(site: AnySite) -> Control:
    """The control that speaks of what the site holds."""
    return TalentControl(site) if isinstance(site, TalentSite) else MoodleControl(site)


@contextmanager
def serve(site: AnySite, port: int = 0) -> Iterator[str]:
    """Serve a site for the duration of the block; the value is its base URL."""
    server = SimulatorServer(site, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.url
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def site_from(options: argparse.Namespace) -> AnySite:
    """The site the command line asks for."""
    courses = json.loads(options.courses.read_text()) if options.courses else options.demo_courses
    users = json.loads(options.users.read_text()) if options.users else []
    groups = json.loads(options.groups.read_text()) if options.groups else options.demo_groups
    named: dict[str, Any] = {"users": users, "clock": MovableClock(), "ledger_path": options.ledger}
    named["latency"] = latency_named(options.latency)
    if options.lms == "talentlms":
        return talent_site(courses, options.token or API_KEY, groups=groups, **named)
    # A small Moodle also has PHP's own limit of 1000 form fields.
    settings = Settings(max_input_vars=1000 if options.latency == "small" else 5000)
    return moodle_site(courses, options.token or TOKEN, release=options.release, settings=settings, **named)


def main(arguments: list[str] | None = None) -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="simulators.server", description="A simulated learning system.")
    parser.add_argument("--lms", default="moodle", choices=["moodle", "talentlms"])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--release", default="4.4", choices=["4.4", "4.5"], help="of Moodle")
    parser.add_argument("--courses", type=Path, help="JSON file with course seeds")
    parser.add_argument("--demo-courses", type=int, default=5)
    parser.add_argument("--demo-groups", type=int, default=0, help="TalentLMS only: one for each of the first courses")
    parser.add_argument("--groups", type=Path, help="JSON file with group seeds, TalentLMS only")
    parser.add_argument("--users", type=Path, help="JSON file with accounts that exist already")
    parser.add_argument("--token", default=os.environ.get("SIMULATOR_TOKEN"), help="the token or the API key")
    parser.add_argument("--latency", default="off", choices=sorted(PRESETS))
    parser.add_argument("--ledger", type=Path, help="file to which effects and calls are appended")
    options = parser.parse_args(arguments)
    server = SimulatorServer(site_from(options), options.port, options.host)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    sys.stdout.write(json.dumps({"url": server.url}) + "\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
