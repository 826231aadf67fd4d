"""
What went wrong, as application/problem+json (RFC 9457): a stable code for machines, and for people what, whose and how
to mend it. Never a trace, never what somebody sent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from domain.errors import HoldIntegration, NeedsAttention, StoreUnavailable, TransientFailure
from domain.events import BadEvent
from domain.failure_catalogue import describe
from ops.access import Unauthenticated
from ops.actions import NotFound, NotReady, Refused
from ops.operators import Forbidden, ReasonMissing

MEDIA_TYPE = "application/problem+json"


class FieldProblem(BaseModel):
    """One field that cannot be as it is."""

    field: str
    problem: str


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(description="`urn:matricula:problem:` and the code.")
    code: str = Field(description="Stable: what a program may act upon.")
    title: str
    status: int
    detail: str = ""
    owner: str | None = Field(None, description="Who can act.")
    fix: str | None = Field(None, description="What they do.")
    request_id: str = Field("", description="Leads to the logs and the audit.")
    errors: list[FieldProblem] = []
    checks: list[dict[str, Any]] = Field([], description="Lines of the self-check, where that is what failed.")


class Trouble(Exception):
    """Something that only HTTP knows of."""

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        *,
        detail: str = "",
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = [FieldProblem(field=field, problem=problem) for field, problem in errors]
        self.headers = headers


STATUS = {
    401: ("unauthenticated", "No valid token"),
    404: ("not_found", "There is no such thing"),
    405: ("method_not_allowed", "This cannot be done with it"),
    413: ("too_large", "The body is too large"),
}


def answer(request: Request, status: int, code: str, title: str, **more: Any) -> Response:
    """A problem as it is sent."""
    headers = more.pop("headers", None)
    problem = Problem(
        type=f"urn:matricula:problem:{code}",
        code=code,
        title=title,
        status=status,
        request_id=getattr(request.state, "request_id", ""),
        **more,
    )
    content = problem.model_dump(mode="json", exclude_defaults=True) | {"status": status}
    return JSONResponse(content, status, media_type=MEDIA_TYPE, headers=headers)


async def _unauthenticated(request: Request, problem: Exception) -> Response:
    bearer = {"WWW-Authenticate": "Bearer"}
    return answer(request, 401, "unauthenticated", "No valid token", detail=str(problem), headers=bearer)


async def _forbidden(request: Request, problem: Exception) -> Response:
    return answer(request, 403, "forbidden", "This operator may not do this", detail=str(problem))


async def _reason_missing(request: Request, problem: Exception) -> Response:
    return answer(request, 422, "reason_missing", "This needs a reason", detail=str(problem))


async def _not_found(request: Request, problem: Exception) -> Response:
    return answer(request, 404, "not_found", "There is no such thing", detail=str(problem))


async def _refused(request: Request, problem: Exception) -> Response:
    return answer(request, 409, "refused", "It would do harm or cannot work", detail=str(problem))


async def _invalid(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError | ValidationError)  # noqa: S101 - registered for these
    errors = [
        FieldProblem(field=".".join(str(part) for part in error["loc"]), problem=error["msg"])
        for error in problem.errors()
    ]
    return answer(request, 422, "invalid", "Something sent cannot be so", errors=errors)


async def _bad_event(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, BadEvent)  # noqa: S101 - registered for it
    status = 413 if problem.code == "too_large" else 422
    entry, errors = describe(problem.code), [FieldProblem(field=problem.field, problem=problem.problem)]
    return answer(request, status, problem.code, entry.title, owner=entry.owner, fix=entry.fix, errors=errors)


async def _known_failure(request: Request, problem: Exception) -> Response:
    """What the catalogue knows: title, owner and fix are its words."""
    assert isinstance(problem, NeedsAttention | HoldIntegration | TransientFailure)  # noqa: S101 - registered for these
    entry = describe(problem.code)
    status = 503 if isinstance(problem, StoreUnavailable) else 502 if isinstance(problem, TransientFailure) else 409
    more: dict[str, Any] = {"detail": problem.detail, "owner": entry.owner, "fix": entry.fix}
    if isinstance(problem, NotReady):
        more["checks"] = [asdict(check) for check in problem.checks]
    return answer(request, status, problem.code, entry.title, **more)


async def _trouble(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Trouble)  # noqa: S101 - registered for it
    more = {"detail": problem.detail, "errors": problem.errors, "headers": problem.headers}
    return answer(request, problem.status, problem.code, problem.title, **more)


async def _http(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101 - registered for it
    code, title = STATUS.get(problem.status_code, (f"http_{problem.status_code}", "The request cannot be served"))
    return answer(request, problem.status_code, code, title, headers=problem.headers)


def register(app: FastAPI) -> None:
    """Every expected trouble leaves the app as a problem."""
    for kind, handler in (
        (Unauthenticated, _unauthenticated),
        (Forbidden, _forbidden),
        (ReasonMissing, _reason_missing),
        (NotFound, _not_found),
        (Refused, _refused),
        (RequestValidationError, _invalid),
        (ValidationError, _invalid),
        (BadEvent, _bad_event),
        (Trouble, _trouble),
        (HTTPException, _http),
    ):
        app.add_exception_handler(kind, handler)
    for family in (NeedsAttention, HoldIntegration, TransientFailure):
        app.add_exception_handler(family, _known_failure)
