"""
The control of a running simulated Moodle, besides what every simulator has.

    POST complete {user, course, grade?, at?}      finish {fraction, seed?}      cron
    POST token/revoke {token}             token/restore {token, as?}   release {release}
    POST users [..]                       courses [..]                 enrol [..]
    POST users/change {id, ..}            courses/change {id, ..}      (by hand, as in the site's pages)
"""

from __future__ import annotations

from typing import Any

from simulators.control import Control
from simulators.learners import Learners
from simulators.moodle.build import add_course, add_user, change_course, change_user, enrol
from simulators.moodle.site import RELEASES, MoodleSite
from simulators.moodle.state import Token


class MoodleControl(Control):
    """Answers control requests for one Moodle."""

    def __init__(self, site: MoodleSite) -> None:
        self._moodle = site
        self._revoked: dict[str, Token] = {}
        learners = Learners(site)
        super().__init__(
            site,
            {
                "complete": lambda body: learners.complete(**body),
                "finish": lambda body: learners.finish_all(**body),
                "cron": lambda _: site.run_cron(),
                "token/revoke": lambda body: self._revoke(body["token"]),
                "token/restore": lambda body: self._restore(body["token"], body.get("as")),
                "users": lambda body: [add_user(site, **fields).id for fields in body],
                "courses": lambda body: [add_course(site, seed).id for seed in body],
                "users/change": lambda body: change_user(site, body.pop("id"), **body),
                "courses/change": lambda body: change_course(site, body.pop("id"), **body),
                "enrol": lambda body: [enrol(site, **fields) and None for fields in body],
                "release": self._set_release,
            },
        )

    def _revoke(self, token: str) -> None:
        with self._moodle.lock:
            self._revoked[token] = self._moodle.state.tokens.pop(token)

    def _restore(self, token: str, new: str | None) -> None:
        """The account has a token again: the one that was revoked, or another one in its place."""
        with self._moodle.lock:
            self._moodle.state.tokens[new or token] = self._revoked.pop(token)

    def _set_release(self, body: dict[str, Any]) -> None:
        if body["release"] not in RELEASES:
            raise ValueError(f"release must be one of {sorted(RELEASES)}")
        self._moodle.release = body["release"]
