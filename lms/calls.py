"""What the calls of every LMS have in common: each is counted, and no failure carries its request along."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from domain.errors import ProvisioningError
from lms.failures import doubtful, transport_failure

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call, for counting: `status` is "2xx" and so on or "none"; `code` is "ok" or the failure's code."""

    function: str
    items: int
    status: str
    code: str
    took: timedelta


OnCall = Callable[[CallRecord], None]


def call(
    function: str,
    items: int,
    send: Callable[[], httpx.Response],
    read: Callable[[httpx.Response], Shape | ProvisioningError],
    on_call: OnCall | None,
) -> Shape:
    """
    What `read` makes of the answer to `send`; told to `on_call` in any case.

    Raises:
        ProvisioningError: The call failed, or `read` says that the answer is a failure.
    """
    started = time.monotonic()
    response = _sent(function, send)
    outcome = read(response) if isinstance(response, httpx.Response) else response
    if on_call is not None:
        status = f"{response.status_code // 100}xx" if isinstance(response, httpx.Response) else "none"
        code = outcome.code if isinstance(outcome, ProvisioningError) else "ok"
        on_call(CallRecord(function, items, status, code, timedelta(seconds=time.monotonic() - started)))
    if isinstance(outcome, ProvisioningError):
        raise outcome
    return outcome


def shaped(function: str, answer: Any, shape: TypeAdapter[Shape]) -> Shape | ProvisioningError:
    """The answer as the shape that is known of it, or the failure that it is another one."""
    try:
        return shape.validate_python(answer)
    except ValidationError:
        return doubtful(function, "lms_unexpected_answer", f"{function}: not the shape known")


def _sent(function: str, send: Callable[[], httpx.Response]) -> httpx.Response | ProvisioningError:
    # Failures are values here, so that none carries httpx's exception along, whose request holds the secret (S5).
    try:
        return send()
    except httpx.RequestError as error:
        return transport_failure(function, error)
    except ProvisioningError as failure:
        return failure.with_traceback(None)
