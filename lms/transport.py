"""
The HTTP client every LMS call goes through: bounded in time and size, and only to hosts that may be spoken to.

No redirects, no cookies, no proxies from the environment, and no retries: a write whose answer got lost must be read
back, which only the caller can do.
"""

import ssl
import threading
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpcore
import httpx

from domain.errors import HoldIntegration
from lms.addresses import Resolver, check_url, is_public, resolve

__all__ = ["MAX_BODY", "Limits", "LmsTransport", "build_client", "check_url"]

MAX_BODY = 5 * 1024 * 1024
_PIECE = 16 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one call may take: to connect, between two reads, and all in all."""

    connect: timedelta = timedelta(seconds=3)
    read: timedelta = timedelta(seconds=20)
    total: timedelta = timedelta(seconds=30)
    body: int = MAX_BODY


def build_client(
    *,
    allow_private: bool = False,
    ca_file: str | None = None,
    limits: Limits | None = None,
    resolver: Resolver = resolve,
) -> httpx.Client:
    """
    A client for any number of integrations and threads.

    `allow_private` is an installation's setting, never a tenant's. `ca_file` adds a private authority to those
    trusted; nothing switches verification off.
    """
    limits = limits or Limits()
    connect, read = limits.connect.total_seconds(), limits.read.total_seconds()
    return httpx.Client(
        transport=LmsTransport(limits, allow_private, ca_file, resolver),
        timeout=httpx.Timeout(read, connect=connect, pool=connect),
        follow_redirects=False,
        trust_env=False,
        headers={"User-Agent": "matricula", "Accept": "application/json", "Accept-Encoding": "gzip"},
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
    )


class LmsTransport(httpx.HTTPTransport):
    """HTTP over connections that keep the call's deadline, go to checked addresses only and end at the body cap."""

    def __init__(self, limits: Limits, allow_private: bool, ca_file: str | None, resolver: Resolver) -> None:
        tls = httpx.create_ssl_context(verify=True, trust_env=False)
        tls.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file is not None:
            tls.load_verify_locations(ca_file)
        super().__init__(verify=tls, trust_env=False)
        self._limits, self._allow_private = limits, allow_private
        self._deadline = _Deadline()
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls,
            max_connections=64,
            max_keepalive_connections=16,
            # Shorter than the five seconds common web servers wait: a connection that the server closes while we
            # write to it costs a read-back (D25).
            keepalive_expiry=4,
            network_backend=_CheckedBackend(self._deadline, allow_private, resolver),
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not self._allow_private and (request.url.scheme != "https" or request.url.userinfo):
            raise HoldIntegration("url_not_https", "only https without user names is allowed")
        self._deadline.begin(self._limits.total)
        response = super().handle_request(request)
        if isinstance(response.stream, httpx.SyncByteStream):
            response.stream = _Capped(response.stream, response.headers.pop("Content-Encoding", ""), self._limits.body)
        return response


class _Deadline(threading.local):
    """When the call this thread is making must be over; a call is made and read in one thread."""

    until = float("inf")

    def begin(self, total: timedelta) -> None:
        self.until = time.monotonic() + total.total_seconds()

    def left(self, timeout: float | None, expired: type[Exception]) -> float:
        """Seconds this step may take. Raises `expired` when the call's time is up."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise expired("the whole call took too long")
        return seconds if timeout is None else min(timeout, seconds)


class _BoundedStream(httpcore.NetworkStream):
    """A connection on which no step outlasts the deadline, however slowly the other side drips (D3)."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: _Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _PIECE):
            self._inner.write(buffer[start : start + _PIECE], self._deadline.left(timeout, httpcore.WriteTimeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout, httpcore.ConnectTimeout)
        return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _CheckedBackend(httpcore.NetworkBackend):
    """
    Resolves a name once, checks every address and connects to one of the checked ones.

    The name itself is still what TLS asks for and verifies. The system's resolver keeps its own time limits; the
    deadline is looked at again when it returns.
    """

    def __init__(self, deadline: _Deadline, allow_private: bool, resolver: Resolver) -> None:
        self._inner = httpcore.SyncBackend()
        self._deadline, self._allow_private, self._resolver = deadline, allow_private, resolver

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._addresses(host, port)
        until = time.monotonic() + self._deadline.left(timeout, httpcore.ConnectTimeout)
        for place, address in enumerate(addresses):
            share = max(until - time.monotonic(), 0.01) / (len(addresses) - place)
            try:
                stream = self._inner.connect_tcp(address, port, share, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if place == len(addresses) - 1:
                    raise
            else:
                return _BoundedStream(stream, self._deadline)
        raise httpcore.ConnectError("the host has no address")

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            addresses = list(self._resolver(host, port))
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("the name does not resolve") from error
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise HoldIntegration("url_private", "the host name leads to a private address")
        return addresses[:4]


class _Capped(httpx.SyncByteStream):
    """The body, unpacked, up to the cap. A gzip bomb is never unpacked beyond it (D15)."""

    def __init__(self, inner: httpx.SyncByteStream, encoding: str, cap: int) -> None:
        self._inner, self._encoding, self._cap = inner, encoding.strip().lower(), cap

    def __iter__(self) -> Iterator[bytes]:
        left = self._cap
        for part in self._unpacked():
            left -= len(part)
            if left < 0:
                raise httpx.DecodingError("the answer is too large")
            yield part

    def _unpacked(self) -> Iterator[bytes]:
        if self._encoding in ("", "identity"):
            yield from self._inner
        elif self._encoding == "gzip":
            yield from self._gunzipped()
        else:
            raise httpx.DecodingError("the answer is packed in a way that was not offered")

    def _gunzipped(self) -> Iterator[bytes]:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            for part in self._inner:
                yield unpacker.decompress(part, self._cap + 1)
                if unpacker.unconsumed_tail:
                    raise httpx.DecodingError("the answer is too large")
        except zlib.error:
            raise httpx.DecodingError("the answer is not gzip") from None
        if not unpacker.eof:
            raise httpx.DecodingError("the answer ends too early")

    def close(self) -> None:
        self._inner.close()
