"""How routes are declared: each with its permission, its answer, and the problems that it may end in."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel, Field

from ops.api.guard import NOT_KEPT, PERMISSION, Guarded
from ops.api.problems import MEDIA_TYPE, Problem

F = TypeVar("F", bound=Callable[..., Any])

BEARER = HTTPBearer(auto_error=False, bearerFormat="lms_<id>_<secret>", description="`matricula token create`")

DryRun = Annotated[bool, Query(description="Only see whether it would be done; nothing is changed.")]
Id = Annotated[int, Path(ge=1, lt=2**62)]
Number = Annotated[int, Field(ge=1, lt=2**62)]
Key = Annotated[str, Path(min_length=1, max_length=255)]

_LOOKING = (401, 403, 404, 422, 503)
_ACTING = (401, 403, 404, 409, 413, 422, 502, 503)


class Done(BaseModel):
    """What every act answers."""

    command: str = Field(description="The same act on the command line.")


def router(tag: str) -> APIRouter:
    """Routes of one subject."""
    return APIRouter(route_class=Guarded, tags=[tag], dependencies=[Security(BEARER)])


def view(
    routes: APIRouter, path: str, permission: str, *, ends: tuple[int, ...] = (), **options: Any
) -> Callable[[F], F]:
    """
    A route that looks.

    Args:
        ends: Problems that only this one may end in.
    """
    as_it_was: dict[int | str, dict[str, Any]] = {
        304: {"description": "As it was: `If-None-Match` names this answer's ETag"}
    }
    answers = {**as_it_was, **_problems(*_LOOKING, *ends)}
    return routes.get(path, openapi_extra={PERMISSION: permission}, responses=answers, **options)


def act(
    routes: APIRouter,
    path: str,
    permission: str,
    *,
    method: str = "POST",
    kept: bool = True,
    extra: Any = None,
    ends: tuple[int, ...] = (),
    **options: Any,
) -> Callable[[F], F]:
    """
    A route that does something.

    Args:
        kept: The answer is kept for whoever asks again with the same Idempotency-Key; not so where it holds a secret.
        extra: More for the OpenAPI document.
        ends: Problems that only this one may end in.
    """
    key = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "With it the act is done once, however often it is asked for within a day.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    }
    declared: dict[str, Any] = {PERMISSION: permission, "parameters": [key], **(extra or {})}
    if not kept:
        declared[NOT_KEPT] = True
    return routes.api_route(
        path, methods=[method], openapi_extra=declared, responses=_problems(*_ACTING, *ends), **options
    )


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    schema = {"content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}}
    return {status: {"description": "Problem", **schema} for status in statuses}
