"""
A simulated Moodle site: the endpoint, its tokens and switches, and the way a call is dispatched.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import simulators.moodle.functions  # noqa: F401 - registers the functions
from simulators.base import SimulatedSite, Work
from simulators.latency import Latency
from simulators.moodle.calls import FUNCTIONS, Call
from simulators.moodle.errors import (
    MoodleError,
    access_denied,
    database_down,
    invalid_parameter,
    invalid_token,
    missing_record,
)
from simulators.moodle.forms import fields_of, nested, validate
from simulators.moodle.progress import run_tasks
from simulators.moodle.state import Settings, State, Token, User
from simulators.moodle.xmlanswer import error_xml, value_xml
from simulators.wire import Request, Response, html_response, json_response

ENDPOINT = "/webservice/rest/server.php"
RELEASES = {"4.4": ("4.4.3+ (Build: 20240910)", "2024042203.03"), "4.5": ("4.5.6 (Build: 20250811)", "2024100706")}
FIXED = ("wstoken", "wsfunction", "moodlewsrestformat")
SETTING = re.compile(r"moodlewssetting(raw|lang|timezone|filter|fileurl)\Z")
NOT_FOUND = (
    "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
    "</body>\r\n</html>\r\n"
)


class MoodleSite(SimulatedSite):
    """
    One site. Call it with a request; it is safe to call from several threads.

    `state` is what it holds, `settings` are its switches (maintenance, web services, debugging, field limit ...), both
    free to change between calls.
    """

    def __init__(
        self,
        release: str = "4.4",
        clock: Callable[[], float] = time.time,
        latency: Latency | None = None,
        ledger_path: Path | None = None,
        settings: Settings | None = None,
    ) -> None:
        super().__init__(clock, latency, ledger_path)
        if release not in RELEASES:
            raise ValueError(f"release must be one of {sorted(RELEASES)}, not {release!r}")
        self.release = release
        self.settings: Settings = settings or Settings()
        self.state = State(self.journal)

    def served_at(self, url: str) -> None:
        """A site knows its own address."""
        if self.settings.url == Settings().url:
            self.settings.url = url

    def counts(self) -> dict[str, Any]:
        """The release, and the accounts, courses and enrolments there are."""
        users = sum(not user.deleted for user in self.state.users.values())
        enrolments = sum(len(users) for users in self.state.participants.values())
        return {"release": self.release, "users": users, "courses": len(self.state.courses), "enrolments": enrolments}

    def read(self, request: Request) -> Work:
        """The function and the values of a request; an unknown function is logged as such, not by its name."""
        sent = self._fields(request)
        name = sent.get("wsfunction", "")
        values = {value for key, value in sent.items() if key not in FIXED}
        return Work(name if name in FUNCTIONS else "unknown", values, fields=sent)

    def _fields(self, request: Request) -> dict[str, str]:
        limit = self.settings.max_input_vars
        fields = fields_of(request.query, limit)
        form = request.header("Content-Type").startswith("application/x-www-form-urlencoded")
        if request.method == "POST" and form:
            fields += fields_of(request.body.decode("utf-8", "replace"), limit)
        return dict(_numbered(fields))

    def serve(self, request: Request, work: Work) -> Response:
        """Answer as the endpoint does, or as the web server and other pages do."""
        if not request.path.endswith(ENDPOINT):
            return _other_page(request.path)
        if self.settings.maintenance == "cli":
            return html_response("<html><body>Back soon</body></html>", 503, Retry_After="300")
        if not self.settings.webservices or not self.settings.rest:
            return html_response("", 403)
        as_json = work.fields.get("moodlewsrestformat") == "json"
        try:
            value = self.transaction(work, lambda: self._dispatch(request, work))
        except MoodleError as error:
            return self._failure(error, as_json)
        return json_response(value) if as_json else _xml(value_xml(value))

    def _failure(self, error: MoodleError, as_json: bool) -> Response:
        told = error.told(self.release, self.settings.debug)
        return json_response(told) if as_json else _xml(error_xml(told))

    def run_cron(self) -> int:
        """Run the scheduled tasks once; returns how many courses turned complete."""
        with self.lock:
            done = run_tasks(self.state)
            self.state.last_tasks = self.clock()
            self.commit()
            return done

    def _dispatch(self, request: Request, work: Work) -> Any:
        if not self.settings.database:
            raise database_down()
        token, account = self._authenticate(work.fields.get("wstoken", ""), request.client)
        name = work.fields.get("wsfunction", "")
        if not name:
            raise invalid_parameter("Missing function name")
        if name not in FUNCTIONS:
            raise missing_record("external_functions")
        self._check_service(token, account, name)
        plain = [(key, value) for key, value in work.fields.items() if key not in FIXED and not SETTING.match(key)]
        args = validate(FUNCTIONS[name].parameters, nested(plain))
        return FUNCTIONS[name].handler(self._call(account, work), args)

    def _call(self, account: User, work: Work) -> Call:
        raw = work.fields.get("moodlewssettingraw", "0") in ("1", "true")
        return Call(self, account, work, raw, work.fields.get("moodlewssettingtimezone", self.settings.timezone))

    def _authenticate(self, value: str, client: str) -> tuple[Token, User]:
        token = self.state.tokens.get(value)
        if token is None:
            raise invalid_token()
        if token.expires is not None and token.expires <= self.clock():
            del self.state.tokens[value]  # the site forgets an expired token on its first use
            raise access_denied("token expired")
        if token.addresses and client not in token.addresses:
            raise access_denied("IP not allowed")
        account = self.state.users[token.user]
        if self.settings.maintenance == "web" and account.id not in self.state.admins:
            raise MoodleError("sitemaintenance", "The site is undergoing maintenance and is currently not available")
        if account.suspended:
            message = f"Refused web service access for suspended username: {account.username}"
            raise MoodleError("wsaccessusersuspended", message)
        return token, account

    def _check_service(self, token: Token, account: User, name: str) -> None:
        rights = self.state.capabilities.get(account.id, frozenset())
        may_use = account.id in self.state.admins or "webservice/rest:use" in rights
        if not (token.service_enabled and token.authorised and may_use and name in token.functions):
            raise access_denied("not allowed")


def _numbered(fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Give `values[]` its numbers before the fields become a mapping."""
    seen: dict[str, int] = {}
    result = []
    for name, value in fields:
        if name.endswith("[]"):
            index = seen.get(name, 0)
            seen[name] = index + 1
            result.append((f"{name[:-2]}[{index}]", value))
        else:
            result.append((name, value))
    return result


def _xml(body: str) -> Response:
    return Response(200, {"Content-Type": "application/xml; charset=utf-8"}, body.encode())


def _other_page(path: str) -> Response:
    if path in ("", "/") or path.endswith((".php", "/")):
        return html_response("<!DOCTYPE html><html><head><title>Log in to the site</title></head></html>")
    return Response(404, {"Content-Type": "text/html"}, NOT_FOUND.encode())


__all__ = ["ENDPOINT", "MoodleSite"]
