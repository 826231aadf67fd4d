"""What the self-checks of all LMSs share: who is looked at, the way there, and how a line comes about."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from domain.checks import Check, Identity, Known, line, own_lines
from domain.errors import ProvisioningError, TransientFailure
from domain.integration import IntegrationSettings
from domain.lms import LmsGateway
from lms.addresses import Resolver, check_url

Answer = TypeVar("Answer")
Probe = TypeVar("Probe", bound=LmsGateway)

# The line that a failure on the way belongs to, whatever the LMS.
ANY_FIRST_CALL = {
    "url_malformed": "address",
    "url_not_https": "address",
    "url_unresolvable": "name resolves",
    "url_private": "public address",
    "key_mismatch": "stored token",
    "lms_unreachable": "reachable",
    "tls_failed": "secure connection",
}
ANY_WAY = ("address", "name resolves", "public address", "stored token", "reachable", "secure connection")


@dataclass(frozen=True, slots=True)
class Subject(Generic[Probe]):
    """
    What is checked.

    Attributes:
        url: As saved; the settings hold the same one.
        probe: Opens the site; it may raise HoldIntegration when the stored token cannot be opened.
        pinned: Who the site said it was when it was enabled.
        password: The preset one, if there is one.
    """

    url: str
    settings: IntegrationSettings
    probe: Callable[[], Probe]
    known: Known
    pinned: Identity | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """All lines, and who the site says it is if it got so far."""

    checks: list[Check]
    identity: Identity | None


class Ended(Exception):
    """Nothing behind this line can be looked at."""


class Look(ABC, Generic[Probe]):
    """
    One look at a site.

    Attributes:
        first_call: The line that a failure of the first call belongs to. Those before it were passed on the way there.
        on_the_way: The lines up to the first answer, in the order in which they are passed.
    """

    first_call: Mapping[str, str]
    on_the_way: tuple[str, ...]

    def __init__(self, subject: Subject[Probe], allow_private: bool, resolver: Resolver) -> None:
        self._subject = subject
        self._known = subject.known
        self._allow_private = allow_private
        self._resolver = resolver
        self.lines: list[Check] = [*own_lines(subject.known)]
        self.identity: Identity | None = None

    def findings(self) -> Findings:
        """Every line; those that were not reached say why."""
        because = "what it needs is red above"
        try:
            self.run()
        except Ended as end:
            because = str(end)
        return Findings(self.completed(because), self.identity)

    @abstractmethod
    def run(self) -> None:
        """Add the lines as they are found. Raises Ended when the rest cannot be looked at."""

    @abstractmethod
    def completed(self, because: str) -> list[Check]:
        """All lines in their order."""

    def reached(self, ask: Callable[[Probe], Answer]) -> tuple[Probe, Answer]:
        """The site, and its answer to the first call."""
        try:
            check_url(self._subject.url, self._allow_private, self._resolver)
            probe = self._subject.probe()
            answer = ask(probe)
        except ProvisioningError as failure:
            self._not_reached(failure)
            raise Ended("not reached") from None
        self._passed(len(self.on_the_way))
        return probe, answer

    def why(self, failure: ProvisioningError) -> tuple[str, str, str]:
        """The line, the detail and the code of a failed first call."""
        return self.first_call.get(failure.code, "site available"), failure.detail, failure.code

    def _not_reached(self, failure: ProvisioningError) -> None:
        name, detail, code = self.why(failure)
        self._passed(self.on_the_way.index(name))
        self.lines.append(line(name, "failed", detail, code))

    def _passed(self, count: int) -> None:
        for name in self.on_the_way[:count]:
            if name == "secure connection" and self._subject.url.startswith("http://"):
                self.lines.append(line(name, "not checked", "the address is http, which this installation allows"))
            else:
                self.lines.append(line(name, "ok", self._subject.url if name == "address" else ""))

    # How a line comes about

    def asked(self, name: str, ask: Callable[[], Answer]) -> Answer | None:
        """The answer, or None and a red line."""
        try:
            return ask()
        except ProvisioningError as failure:
            self.failed(name, failure)
            return None

    def failed(self, name: str, failure: ProvisioningError) -> None:
        """The line is red; when the site itself went away meanwhile, that is what is red, and the rest waits."""
        if isinstance(failure, TransientFailure):
            name = self.away(failure)
            self.lines = [check for check in self.lines if check.name != name]
            self.lines.append(line(name, "failed", failure.detail, failure.code))
            raise Ended("the site went away while it was looked at")
        self.lines.append(line(name, "failed", failure.detail, failure.code))

    def away(self, failure: TransientFailure) -> str:  # noqa: ARG002 - a portal tells its throttling by it
        """The line of a site that went away."""
        return "site available"
