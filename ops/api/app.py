"""The API put together."""

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig

from domain.events import MAX_EVENT_BYTES
from ops.api import problems
from ops.api.guard import Site
from ops.api.outer import Outer
from ops.api.problems import Problem
from ops.api.routes import (
    access,
    drift,
    enrolments,
    events,
    evidence,
    failures,
    fields,
    guards,
    integrations,
    links,
    people,
    plans,
    replays,
    results,
    standing,
    versions,
)

PREFIX = "/api/v1"
HEALTH = "/healthz"

ROUTES = (
    standing,
    integrations,
    versions,
    fields,
    people,
    plans,
    links,
    enrolments,
    results,
    failures,
    replays,
    guards,
    drift,
    events,
    evidence,
    access,
)

# Traces and validation logs of the framework would hold paths and values of people.
SILENT: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}


def build(site: Site) -> FastAPI:
    """The application; every route but the health check is guarded."""
    app = FastAPI(
        title="Matricula",
        version="1",
        description="What `matricula` does, over HTTP, for one client company a token. See docs/api.md.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        redirect_slashes=False,
        telemetry=SILENT,
    )
    app.state.site = site
    problems.register(app)
    for module in ROUTES:
        app.include_router(module.routes, prefix=PREFIX)
    app.include_router(_health())
    app.add_middleware(Outer, most=MAX_EVENT_BYTES)
    return app


def _health() -> APIRouter:
    routes = APIRouter()

    @routes.get(HEALTH, include_in_schema=False)
    def health() -> dict[str, str]:
        """The process answers; whether anything works is `status`."""
        return {"state": "up"}

    return routes


def document(app: FastAPI) -> dict[str, object]:
    """The OpenAPI document, as docs/api/openapi.json holds it."""
    found = app.openapi()
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    parts = problem.pop("$defs")
    found["components"]["schemas"] |= {Problem.__name__: problem, **parts}
    return found
