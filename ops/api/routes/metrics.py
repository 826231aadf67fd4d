"""What Prometheus scrapes."""

from datetime import timedelta

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse

from ops import metrics
from ops.api.declaring import router, view
from ops.api.guard import By
from ops.api.kept import Kept
from ops.api.problems import Trouble

routes = router("metrics")

FRESH = timedelta(seconds=5)


class Exposition(PlainTextResponse):
    """The text format of Prometheus."""

    media_type = CONTENT_TYPE_LATEST


def seen() -> Kept[str]:
    """What was read lately, by tenant, for one process."""
    return Kept(FRESH)


@view(routes, "/metrics", metrics.READ, response_class=Exposition)
def metrics_read(caller: By, request: Request) -> Exposition:
    """Every metric of docs/metrics.md, of this client company; at most five seconds old."""
    text = request.app.state.metrics.get(caller.tenant, lambda: metrics.exposition(caller.pool))
    if text is None:
        raise Trouble(503, "being_read", "Somebody else's first look is not done yet", headers={"Retry-After": "1"})
    return Exposition(text)
