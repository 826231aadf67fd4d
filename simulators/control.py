"""
The control of a running simulator: JSON over `/control/`, for the machine it runs on only.

    GET  state | ledger[?kind=..] | calls[?function=..] | faults
    POST faults (one rule or a list)      faults/clear
    POST settings {..}                    clock {advance}              latency {preset}

What else there is depends on the dialect: `simulators.moodle.control`, `simulators.talentlms.control`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

from simulators.base import SimulatedSite
from simulators.faults import fault_from
from simulators.latency import latency_named
from simulators.wire import Request, Response, json_response

PREFIX = "/control/"


class Control:
    """Answers control requests for one site; a mistake in a request is a 400 with its reason."""

    def __init__(self, site: SimulatedSite, writes: dict[str, Callable[[Any], Any]]) -> None:
        self._site = site
        self._reads: dict[str, Callable[[dict[str, str]], Any]] = {
            "state": lambda _: self._state(),
            "ledger": lambda query: site.ledger.effects(query.get("kind")),
            "calls": lambda query: site.ledger.calls(query.get("function")),
            "faults": lambda _: site.faults.report(),
        }
        self._writes: dict[str, Callable[[Any], Any]] = {
            "faults": self._add_faults,
            "faults/clear": lambda _: site.faults.clear(),
            "settings": self._change_settings,
            "clock": self._advance,
            "latency": self._set_latency,
            **writes,
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
        site = self._site
        with site.lock:
            counted = site.counts()
        told = {"time": site.clock(), "effects": site.ledger.counts()}
        return {**told, **counted, "calls": len(site.ledger.calls())}

    def _add_faults(self, body: Any) -> int:
        rules = [fault_from(rule) for rule in (body if isinstance(body, list) else [body])]
        self._site.faults.add(*rules)
        return len(rules)

    def _change_settings(self, body: dict[str, Any]) -> None:
        self._site.settings = replace(self._site.settings, **body)

    def _advance(self, body: dict[str, Any]) -> float:
        advance = getattr(self._site.clock, "advance", None)
        if advance is None:
            raise LookupError("this site's clock cannot be moved")
        advance(float(body["advance"]))
        return self._site.clock()

    def _set_latency(self, body: dict[str, Any]) -> None:
        self._site.latency = latency_named(body["preset"])
