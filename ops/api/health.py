"""
Whether the console process lives and is ready, for whoever starts and watches it; asked without a token, and telling
nothing but which part is not well.

`python -m ops.api.health` asks whether the one on this machine is ready: what its health check runs.
"""

import http.client
import os
import sys
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Literal

from fastapi import APIRouter, Request, Response

from db.inspection import Inspection
from db.pool import Pool, transaction
from domain.errors import StoreUnavailable
from ops.api.kept import Kept
from producers.broker import BROKER_ERRORS
from producers.inspection import reached
from runtime.settings import Settings, read_settings

LIVE, READY = "/health/live", "/health/ready"
TIMEOUT_S = 4

FRESH = timedelta(seconds=3)

PartState = Literal["ok", "away", "another version", "missing", "not checked"]

routes = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process needs to serve, and how each of it stands."""

    database: PartState
    schema: PartState
    master_key: PartState
    broker: PartState

    @property
    def ready(self) -> bool:
        return {self.database, self.schema, self.master_key, self.broker} == {"ok"}


@routes.get(LIVE)
def live() -> dict[str, str]:
    """The process turns: its event loop took the request, and a thread answers it."""
    return {"state": "live"}


@routes.get(READY)
def ready(request: Request, response: Response) -> dict[str, object]:
    """The process can serve; 503 when something that it needs is not well."""
    site, kept = request.app.state.site, request.app.state.readiness
    parts: Parts | None = kept.get("parts", lambda: look(site.settings, site.pool))
    response.status_code = 200 if parts and parts.ready else 503
    state = "ready" if parts and parts.ready else "not ready"
    return {"state": state, "parts": asdict(parts) if parts else {}}


def readiness() -> Kept[Parts]:
    """What was seen lately, for one process."""
    return Kept(FRESH)


def look(settings: Settings, pool: Pool) -> Parts:
    """Each part, asked now."""
    broker = _broker(settings)
    try:
        with transaction(pool) as db:
            inspection = Inspection(db)
            if inspection.columns_lacking():
                return Parts(database="ok", schema="another version", master_key="not checked", broker=broker)
            known = set(inspection.master_keys_in_use()) <= set(settings.master_keys.names)
    except StoreUnavailable:
        return Parts(database="away", schema="not checked", master_key="not checked", broker=broker)
    return Parts(database="ok", schema="ok", master_key="ok" if known else "missing", broker=broker)


def _broker(settings: Settings) -> PartState:
    try:
        with reached(settings.amqp_url):
            return "ok"
    except BROKER_ERRORS:
        return "away"


def main() -> int:
    """0 when it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", read_settings(os.environ).console.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", READY)
        return 0 if connection.getresponse().status == http.client.OK else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
