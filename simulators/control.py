"""
The control of a running simulator: JSON over `/control/`, for the machine it runs on only.

    GET  state | ledger[?kind=..] | calls[?function=..] | faults
    POST faults (one rule or a list)      faults/clear
    POST complete {user, course, grade?, at?}      finish {fraction, seed?}      cron
    POST token/revoke {token}             token/restore {token}
    POST users [..]                       courses [..]                 enrol [..]
    POST users/change {id, ..}            courses/change {id, ..}      (by hand, as in the site's pages)
    POST settings {..}                    release {release}            clock {advance}         latency {preset}
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qs

from simulators.faults import fault_from
from simulators.latency import Latency, small_site
from simulators.learners import Learners
from simulators.moodle.build import add_course, add_user, change_course, change_user, enrol
from simulators.moodle.site import RELEASES, MoodleSite
from simulators.moodle.state import Settings, Token
from simulators.wire import Request, Response, json_response

PREFIX = "/control/"


class Control:
    """Answers control requests for one site; a mistake in a request is a 400 with its reason."""

    def __init__(self, site: MoodleSite) -> None:
        self._site = site
        self._learners = Learners(site)
        self._revoked: dict[str, Token] = {}
        self._reads: dict[str, Callable[[dict[str, str]], Any]] = {
            "state": lambda _: self._state(),
            "ledger": lambda query: site.ledger.effects(query.get("kind")),
            "calls": lambda query: site.ledger.calls(query.get("function")),
            "faults": lambda _: site.faults.report(),
        }
        self._writes: dict[str, Callable[[Any], Any]] = {
            "faults": self._add_faults,
            "faults/clear": lambda _: site.faults.clear(),
            "complete": lambda body: self._learners.complete(**body),
            "finish": lambda body: self._learners.finish_all(**body),
            "cron": lambda _: site.run_cron(),
            "token/revoke": lambda body: self._revoke(body["token"]),
            "token/restore": lambda body: self._restore(body["token"]),
            "users": lambda body: [add_user(site, **fields).id for fields in body],
            "courses": lambda body: [add_course(site, seed).id for seed in body],
            "users/change": lambda body: change_user(site, body.pop("id"), **body),
            "courses/change": lambda body: change_course(site, body.pop("id"), **body),
            "enrol": lambda body: [enrol(site, **fields) and None for fields in body],
            "settings": self._change_settings,
            "release": self._set_release,
            "clock": self._advance,
            "latency": self._set_latency,
        }

    def __call__(self, request: Request) -> Response:
        """Answer one control request."""
        route = request.path.removeprefix(PREFIX).strip("/")
        if request.client not in ("127.0.0.1", "::1"):
            return json_response({"error": "control is local"}, 403)
        try:
            if request.method == "GET":
                query = {name: values[-1] for name, values in parse_qs(request.query).items()}
                return json_response(self._reads[route](query))
            return json_response({"result": self._writes[route](json.loads(request.body or b"{}"))})
        except KeyError as missing:
            return json_response({"error": f"unknown: {missing}"}, 404)
        except (TypeError, ValueError, LookupError) as error:
            return json_response({"error": str(error)}, 400)

    def _state(self) -> dict[str, Any]:
        site, state = self._site, self._site.state
        with site.lock:
            enrolments = sum(len(users) for users in state.participants.values())
            users = sum(not user.deleted for user in state.users.values())
            counted = {"users": users, "courses": len(state.courses), "enrolments": enrolments}
        told = {"release": site.release, "time": site.clock(), "effects": site.ledger.counts()}
        return {**told, **counted, "calls": len(site.ledger.calls())}

    def _add_faults(self, body: Any) -> int:
        rules = [fault_from(rule) for rule in (body if isinstance(body, list) else [body])]
        self._site.faults.add(*rules)
        return len(rules)

    def _revoke(self, token: str) -> None:
        with self._site.lock:
            self._revoked[token] = self._site.state.tokens.pop(token)

    def _restore(self, token: str) -> None:
        with self._site.lock:
            self._site.state.tokens[token] = self._revoked.pop(token)

    def _change_settings(self, body: dict[str, Any]) -> None:
        unknown = set(body) - {field.name for field in fields(Settings)}
        if unknown:
            raise ValueError(f"unknown settings: {sorted(unknown)}")
        for name, value in body.items():
            setattr(self._site.settings, name, value)

    def _set_release(self, body: dict[str, Any]) -> None:
        if body["release"] not in RELEASES:
            raise ValueError(f"release must be one of {sorted(RELEASES)}")
        self._site.release = body["release"]

    def _advance(self, body: dict[str, Any]) -> float:
        advance = getattr(self._site.clock, "advance", None)
        if advance is None:
            raise LookupError("this site's clock cannot be moved")
        advance(float(body["advance"]))
        return self._site.clock()

    def _set_latency(self, body: dict[str, Any]) -> None:
        self._site.latency = latency_named(body["preset"])


def latency_named(preset: str) -> Latency:
    """A latency by name: "off", "small" (30 ms a call, two at a time) or "measured" (the contract's figures)."""
    presets = {"off": Latency(), "small": small_site(), "measured": Latency(enabled=True)}
    if preset not in presets:
        raise ValueError(f"latency must be one of {sorted(presets)}")
    return presets[preset]
