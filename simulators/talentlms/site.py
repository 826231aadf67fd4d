"""
A simulated portal: its key and settings, and the way a call is dispatched.
"""

from __future__ import annotations

import base64
import binascii
import heapq
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from simulators.base import SimulatedSite, Work
from simulators.latency import Latency
from simulators.talentlms.actions import NOT_SIMULATED
from simulators.talentlms.arguments import action_of, arguments, check_route
from simulators.talentlms.calls import ACTIONS, Call
from simulators.talentlms.errors import PortalError
from simulators.talentlms.limits import Meter
from simulators.talentlms.settings import Settings
from simulators.talentlms.state import State
from simulators.wire import Request, Response

FREE = "ratelimit"


class TalentSite(SimulatedSite):
    """
    One portal. Call it with a request; it is safe to call from several threads.

    `state` is what it holds, `settings` are its switches, `key` is the one API key; all free to change between calls.
    """

    def __init__(
        self,
        key: str,
        clock: Callable[[], float] = time.time,
        latency: Latency | None = None,
        ledger_path: Path | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(clock, latency, ledger_path)
        self.key = key
        self.settings: Settings = settings or Settings()
        self.state = State(self.journal)
        self.meter = Meter()

    def served_at(self, url: str) -> None:
        """A portal writes its own address into the answers."""
        if self.settings.url == Settings().url:
            self.settings = replace(self.settings, url=url)

    def counts(self) -> dict[str, Any]:
        """The people, active people, courses, groups and enrolments there are."""
        state, enrolments = self.state, sum(len(members) for members in self.state.members.values())
        people = {"users": len(state.found.ids("present")), "active": len(state.found.ids("active"))}
        return {**people, "courses": len(state.courses), "groups": len(state.groups), "enrolments": enrolments}

    def read(self, request: Request) -> Work:
        """The action and the arguments of a request; an unknown action is logged as such, not by its name."""
        name, sent = action_of(request.path), arguments(request, self.settings)
        return Work(name if name in ACTIONS else "unknown", sent.values(), fields=sent)

    def serve(self, request: Request, work: Work) -> Response:
        """Answer as the API does, or as the server before it."""
        try:
            self._admit(request, work)
            self._deactivate_due()
            return _answer(self.transaction(work, lambda: self._dispatch(request, work)))
        except PortalError as error:
            return error.response()

    def _admit(self, request: Request, work: Work) -> None:
        credentials = _credentials(request)
        if credentials is None:
            raise PortalError("no_credentials")
        check_route(request.path)
        if credentials != f"{self.key}:":
            raise PortalError("key")
        if not self.settings.api:
            raise PortalError("api_off")
        if work.function != FREE and not self.meter.admits(self.clock(), self.settings):
            raise PortalError("limited_page" if self.settings.limited_html else "limited")

    def _dispatch(self, request: Request, work: Work) -> Any:
        if work.function == "unknown":
            raise PortalError("not_simulated" if action_of(request.path) in NOT_SIMULATED else "action")
        return ACTIONS[work.function](Call(self, work))

    def _deactivate_due(self) -> None:
        due, now = self.state.deactivations, self.clock()
        while due and due[0][0] <= now:
            at, number = heapq.heappop(due)
            user = self.state.user(number)
            if user is not None and user.deactivation == at and user.status == "active":
                self.state.change_user(user, status="inactive")
                self.journal.effect("user deactivated", user=user.id)


def basic(key: str) -> str:
    """The header that a caller sends: the key is the user name, the password is empty."""
    return f"Basic {base64.b64encode(f'{key}:'.encode()).decode()}"


def _credentials(request: Request) -> str | None:
    """Key and password of basic authentication, None when there is none."""
    scheme, _, packed = request.header("Authorization").partition(" ")
    try:
        return base64.b64decode(packed, validate=True).decode() if scheme.lower() == "basic" else None
    except (binascii.Error, UnicodeDecodeError):
        return None


def _answer(value: Any) -> Response:
    """JSON as PHP writes it: slashes are escaped."""
    body = json.dumps(value, separators=(",", ":")).replace("/", "\\/")
    return Response(200, {"Content-Type": "application/json"}, body.encode())
