"""The API put together."""

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from domain.events import MAX_EVENT_BYTES
from ops.api import health, problems
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
    metrics,
    people,
    plans,
    replays,
    results,
    standing,
    versions,
)

PREFIX = "/api/v1"

ROUTES = (
    standing,
    metrics,
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
    """The application; every route but those of health is guarded."""
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
    app.state.readiness = health.readiness()
    app.state.metrics = metrics.seen()
    problems.register(app)
    for module in ROUTES:
        app.include_router(module.routes, prefix=PREFIX)
    app.include_router(health.routes)
    app.add_middleware(Outer, most=MAX_EVENT_BYTES)
    return app


def document(app: FastAPI) -> dict[str, object]:
    """The OpenAPI document, as docs/api/openapi.json holds it."""
    found = app.openapi()
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
    parts = problem.pop("$defs")
    found["components"]["schemas"] |= {Problem.__name__: problem, **parts}
    return found
