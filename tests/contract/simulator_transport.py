"""
A simulated site as an httpx transport: no socket, no port, the same behaviour.
"""

from __future__ import annotations

import httpx

from simulators.base import SimulatedSite
from simulators.wire import Request, Response


def transport(site: SimulatedSite) -> httpx.MockTransport:
    """A transport that answers from the site; lost, cut and too slow answers become httpx's exceptions."""

    def handle(request: httpx.Request) -> httpx.Response:
        # As it would go over the wire: what is percent-encoded in a path is told from what is not.
        path, _, query = request.url.raw_path.decode("ascii").partition("?")
        sent = Request(request.method, path, query, dict(request.headers), request.read())
        response = site(sent).dated(site.clock())
        _travel(request, response)
        return httpx.Response(response.status, headers=dict(response.headers), content=response.body)

    return httpx.MockTransport(handle)


def _travel(request: httpx.Request, response: Response) -> None:
    if response.lost:
        raise httpx.ReadError("the simulated site hung up", request=request)
    if response.cut is not None and response.cut < len(response.body):
        raise httpx.RemoteProtocolError("the simulated site stopped half-way", request=request)
    patience = request.extensions.get("timeout", {}).get("read")
    if patience is not None and response.delay > patience:
        raise httpx.ReadTimeout("the simulated site is slow", request=request)
