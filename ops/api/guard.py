"""
The one way into every route: a token, the route's permission, and at most one run of a request that may come twice.

Default deny: a route without a permission cannot be declared.
"""

import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from db.configuration import IntegrationRow
from db.idempotent import Asked, Requests
from db.pool import OfTenant, Pool, transaction
from domain.events import BadEvent, decode_json
from domain.permissions import EVERYTHING
from ops import actions
from ops.access import authenticated
from ops.actions import Refused
from ops.api.problems import Trouble
from ops.api.sending import Sender
from ops.operators import Forbidden, Operator
from ops.refusals import put_on_record
from runtime.settings import Settings

PERMISSION = "x-permission"
NOT_KEPT = "x-answer-not-kept"
READS_ITSELF = "x-reads-body-itself"

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Site:
    """What the process has open."""

    settings: Settings
    pool: Pool
    sender: Sender


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, and the connections that see their tenant and nothing else."""

    by: Operator
    tenant: str
    token_id: str
    pool: OfTenant
    site: Site

    def acting(self, reason: str, *, dry_run: bool = False) -> Operator:
        return self.by.because(reason, dry_run=dry_run)

    def integration(self, integration_id: int) -> IntegrationRow:
        """
        Raises:
            NotFound: There is none, or it is somebody else's.
        """
        return actions.integration_of(self.pool, integration_id)


class Why(BaseModel):
    """The reason for an act, for those who ask later."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=1000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*$")


class Guarded(APIRoute):
    """A route that is passed with a token that has its permission, and in no other way."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        permission = (options.get("openapi_extra") or {}).get(PERMISSION)
        if permission not in EVERYTHING:
            raise TypeError(f"{path} needs one of the permissions of domain/permissions.py, not {permission}")
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        declared = self.openapi_extra or {}

        async def guarded(request: Request) -> Response:
            caller = await run_in_threadpool(_caller, request)
            try:
                return await passed(request, caller)
            except (Forbidden, Refused) as problem:
                await run_in_threadpool(put_on_record, caller.pool, caller.by, problem)
                raise

        async def passed(request: Request, caller: Caller) -> Response:
            caller.by.enter(declared[PERMISSION], caller.tenant)
            request.state.caller = caller
            await _refuse_unusable(request, reads_itself=bool(declared.get(READS_ITSELF)))
            if request.method == "GET":
                return _unless_known(request, await handle(request))
            return await _once(request, caller, handle, kept=not declared.get(NOT_KEPT))

        return guarded


async def _refuse_unusable(request: Request, *, reads_itself: bool) -> None:
    """JSON is read strictly, and no text has a NUL or half a character, which nothing after us can store (S12)."""
    for place, text in (("path", request.url.path), *(("query", value) for value in request.query_params.values())):
        if "\0" in text:
            raise Trouble(422, "unusable_text", "A text cannot be stored", errors=[(place, "holds a NUL")])
    if reads_itself or not (body := await request.body()):
        return
    try:
        decode_json(body)
    except BadEvent as error:
        raise Trouble(422, error.code, "The body cannot be read", errors=[(error.field, error.problem)]) from None


def _caller(request: Request) -> Caller:
    site: Site = request.app.state.site
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    given = token.strip() if kind.lower() == "bearer" else ""
    by, token_id = authenticated(site.pool, given, "api", request.state.request_id)
    tenant = by.tenant or ""
    return Caller(by, tenant, token_id, OfTenant(site.pool, tenant), site)


def caller_of(request: Request) -> Caller:
    """Who was let in by the guard."""
    caller: Caller = request.state.caller
    return caller


By = Annotated[Caller, Depends(caller_of)]


def _unless_known(request: Request, response: Response) -> Response:
    """304 without a body when the caller has this very answer."""
    if response.status_code != 200 or isinstance(response, StreamingResponse):
        return response
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if etag in known or "*" in known:
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return response


async def _once(request: Request, caller: Caller, handle: Handler, *, kept: bool) -> Response:
    """With an Idempotency-Key, the act is done once; who asks again gets the first answer."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return await handle(request)
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise Trouble(422, "bad_idempotency_key", "Idempotency-Key takes 1 to 255 printable ASCII characters")
    said = f"{request.method} {request.url.path}?{request.url.query}\n".encode() + await request.body()
    held = await run_in_threadpool(_begin, caller, key, hashlib.sha256(said).digest())
    if held is not None:
        return held
    try:
        response = await handle(request)
    except BaseException:
        await run_in_threadpool(_finish, caller, key, None)
        raise
    await run_in_threadpool(_finish, caller, key, response, kept=kept)
    return response


def _begin(caller: Caller, key: str, asked: bytes) -> Response | None:
    with transaction(caller.pool) as db:
        held: Asked | None = Requests(db, caller.tenant, caller.token_id).begin(key, asked)
    if held is None:
        return None
    if held.request != asked:
        raise Trouble(422, "idempotency_key_reused", "This Idempotency-Key came with another request before")
    if held.status is None:
        wait = {"Retry-After": "1"}
        raise Trouble(409, "request_under_way", "The first request with this key is not done yet", headers=wait)
    if held.body is None:
        detail = "what it answered is shown once and not kept"
        raise Trouble(409, "done_already", "The first request with this key was done", detail=detail)
    return JSONResponse(held.body, held.status, headers={"Idempotent-Replayed": "true"})


def _finish(caller: Caller, key: str, response: Response | None, *, kept: bool = True) -> None:
    """The answer is kept for whoever asks again; after a failure the act may be tried again."""
    with transaction(caller.pool) as db:
        requests = Requests(db, caller.tenant, caller.token_id)
        if response is None or response.status_code >= 400:
            requests.forget(key)
        else:
            body = bytes(response.body).decode() if kept else None
            requests.end(key, response.status_code, body)
