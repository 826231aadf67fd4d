"""
Scripted trouble.

A fault is a rule: which calls it meets (function, a value among the parameters, which of them) and what they get
instead of the plain answer. The first rule that fires decides. Rules are values, so a test, a soak run and the HTTP
control describe them alike.

    Fault("core_user_create_users", nth=1, commit="before", close="reset")     # D5: done, but nobody hears of it
    Fault("*", times=5, status=429, retry_after="7")                           # D18
    Fault("enrol_*", every=3, commit="before", status=500)                     # D8
"""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from simulators.wire import Close, Response

NOTICE = "<br />\n<b>Warning</b>:  Undefined array key 1 in <b>/var/www/lib/weblib.php</b> on line <b>12</b><br />\n"
PAGES = {
    "login": "<!DOCTYPE html><html><head><title>Log in to the site</title></head><body><form></form></body></html>",
    "maintenance": "<!DOCTYPE html><html><body>This site is undergoing maintenance</body></html>",
    "proxy": "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body><hr>proxy</body>\r\n</html>\r\n",
}
UNSET: Any = Ellipsis  # tells "no JSON given" from the JSON value null


@dataclass(frozen=True)
class Fault:
    """
    One rule.

    Which calls: `function` is a pattern, `value` equals one of the parameters sent; of the calls that match, the
    `nth`, each `every`-th, at most `times`, each with `probability` (drawn from `seed`), or those beyond
    `quota=(calls, seconds)`.

    What happens: `commit="before"` does the work and then spoils the answer, "never" leaves the site as it was (and
    answers as if it had worked, unless an answer is given here). Without `commit`, work is done unless the fault
    brings an answer of its own or loses it. `visible_after` seconds pass until look-ups find what was made, `swap`
    answers about somebody else, and in a `race` the call does not see what callers at the same moment made.
    """

    function: str = "*"
    value: str | None = None
    nth: int | None = None
    every: int | None = None
    times: int | None = None
    probability: float = 1.0
    seed: int = 0
    quota: tuple[int, float] | None = None

    commit: Literal["", "before", "never"] = ""
    status: int | None = None
    body: str | None = None
    json: Any = UNSET
    page: str | None = None
    errorcode: str | None = None
    exception: str = "moodle_exception"
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str | None = None
    retry_after: str | None = None
    redirect: str | None = None
    oversize: int | None = None
    gzip_bomb: int | None = None

    delay: float = 0.0
    drip: float | None = None
    close: Close = ""
    truncate: int | None = None
    cut: int | None = None
    prefix: str = ""
    visible_after: float = 0.0
    swap: bool = False
    race: bool = False
    name: str = ""

    @property
    def answers(self) -> bool:
        """Whether the rule brings an answer of its own."""
        own = (self.status, self.body, self.page, self.errorcode, self.redirect, self.oversize, self.gzip_bomb)
        return self.json is not UNSET or any(part is not None for part in own)

    @property
    def executes(self) -> bool:
        """Whether the call runs at all."""
        if self.commit == "never":
            return not self.answers and not self.loses
        return self.commit == "before" or not (self.answers or self.loses)

    @property
    def loses(self) -> bool:
        """Whether the caller gets no answer."""
        return self.close in ("before_read", "after_request", "reset")

    def spoil(self, plain: Response | None) -> Response:
        """The answer the caller gets; `plain` is the honest one, None when the call did not run."""
        response = self._own() if self.answers or plain is None else plain
        body = self.prefix.encode() + response.body
        body = body if self.truncate is None else body[: self.truncate]
        headers = {**response.headers, **self.headers, **self._labels()}
        travel: dict[str, Any] = {"delay": self.delay, "drip": self.drip, "cut": self.cut, "close": self.close}
        return replace(response, body=body, headers=headers, **travel)

    def _labels(self) -> dict[str, str]:
        named = {"Content-Type": self.content_type, "Retry-After": self.retry_after, "Location": self.redirect}
        return {name: value for name, value in named.items() if value is not None}

    def _own(self) -> Response:
        if self.gzip_bomb is not None:
            packed = gzip.compress(b'"' + b" " * self.gzip_bomb + b'"')
            return Response(200, {"Content-Type": "application/json", "Content-Encoding": "gzip"}, packed)
        kind, body = self._content()
        status = self.status or (302 if self.redirect else 200)
        return Response(status, {"Content-Type": kind}, body)

    def _content(self) -> tuple[str, bytes]:
        if self.json is not UNSET:
            return "application/json", json.dumps(self.json).encode()
        if self.errorcode is not None:
            told = {"exception": self.exception, "errorcode": self.errorcode, "message": "Simulated"}
            return "application/json", json.dumps(told).encode()
        if self.oversize is not None:
            return "application/json", b'"' + b"x" * max(self.oversize - 2, 0) + b'"'
        if self.page is not None:
            return "text/html; charset=utf-8", PAGES.get(self.page, self.page).encode()
        return "application/json" if self.status in (None, 200) else "text/html", (self.body or "").encode()


def fault_from(values: Mapping[str, Any]) -> Fault:
    """A rule from plain values, as the HTTP control receives it; an unknown name is a ValueError."""
    unknown = set(values) - {f.name for f in fields(Fault)}
    if unknown:
        raise ValueError(f"unknown fault fields: {sorted(unknown)}")
    given = dict(values)
    if given.get("quota"):
        given["quota"] = tuple(given["quota"])
    return Fault(**given)


class Rule:
    """A fault and how often it was met."""

    def __init__(self, fault: Fault, clock: Callable[[], float]) -> None:
        self.fault = fault
        self.seen = 0
        self.fired = 0
        self._clock = clock
        self._random = random.Random(fault.seed)
        self._recent: deque[float] = deque()

    def fires(self, function: str, values: Iterable[str]) -> bool:
        """Whether this call meets the rule; counts it."""
        fault = self.fault
        if not fnmatchcase(function, fault.function) or (fault.value is not None and fault.value not in values):
            return False
        self.seen += 1
        fired = self._turn() and self._beyond_quota() and self._random.random() < fault.probability
        self.fired += fired
        return fired

    def _turn(self) -> bool:
        fault = self.fault
        if fault.times is not None and self.fired >= fault.times:
            return False
        if fault.nth is not None:
            return self.seen == fault.nth
        return fault.every is None or self.seen % fault.every == 0

    def _beyond_quota(self) -> bool:
        if self.fault.quota is None:
            return True
        limit, seconds = self.fault.quota
        now = self._clock()
        while self._recent and self._recent[0] <= now - seconds:
            self._recent.popleft()
        if len(self._recent) >= limit:
            return True
        self._recent.append(now)
        return False


class Faults:
    """The rules in force on one site."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._rules: list[Rule] = []

    def add(self, *faults: Fault) -> None:
        """Put rules in force, after those already there."""
        with self._lock:
            self._rules += [Rule(fault, self._clock) for fault in faults]

    def clear(self) -> None:
        """Take all rules out of force."""
        with self._lock:
            self._rules = []

    def match(self, function: str, values: Iterable[str] = ()) -> Fault | None:
        """The first rule that fires for this call; every rule before it has counted the call."""
        sent = set(values)
        with self._lock:
            candidates = [rule for rule in self._rules if rule.fault.close != "before_read"]
            return next((rule.fault for rule in candidates if rule.fires(function, sent)), None)

    def refuses_connection(self) -> bool:
        """Whether the next request is to be cut off unread (rules with `close="before_read"`)."""
        with self._lock:
            candidates = [rule for rule in self._rules if rule.fault.close == "before_read"]
            return any(rule.fires(rule.fault.function, set(filter(None, [rule.fault.value]))) for rule in candidates)

    def report(self) -> list[dict[str, Any]]:
        """Each rule with how many calls matched it and how often it fired."""
        with self._lock:
            rules = list(self._rules)
        return [{"seen": rule.seen, "fired": rule.fired, **_plain(rule.fault)} for rule in rules]


def _plain(fault: Fault) -> dict[str, Any]:
    default = asdict(Fault())
    return {name: value for name, value in asdict(fault).items() if value != default[name]}
