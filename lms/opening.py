"""The one place that turns an integration's address and token into a gateway."""

from collections.abc import Callable
from datetime import timedelta, tzinfo
from types import TracebackType
from typing import Self

from domain.lms import LmsGateway
from lms.calls import CallRecord
from lms.moodle import MoodleGateway
from lms.moodle_probe import MoodleProbe
from lms.talentlms import TalentGateway
from lms.transport import Limits, build_client
from runtime.secrets import Secret


class Gateways:
    """
    Opens gateways that share one set of connections; threads may share it.

    Args:
        allow_private: The installation's setting; see `lms.addresses`.
        deadline: Bounds each call as a whole.
    """

    def __init__(self, *, allow_private: bool, deadline: timedelta) -> None:
        default = Limits()
        limits = Limits(min(default.connect, deadline), min(default.read, deadline), deadline)
        self._client = build_client(allow_private=allow_private, limits=limits)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def open(self, url: str, token: Secret, on_call: Callable[[CallRecord], None] = lambda _: None) -> LmsGateway:
        """The gateway to the LMS at `url`; nothing is called yet."""
        return MoodleGateway(self._client, url, token, on_call=on_call)

    def portal(
        self,
        url: str,
        key: Secret,
        on_call: Callable[[CallRecord], None] = lambda _: None,
        *,
        budget: Callable[[], None],
        zone: tzinfo,
        at_once: int,
    ) -> TalentGateway:
        """The gateway to the TalentLMS portal at `url`, which counts our calls; nothing is called yet."""
        return TalentGateway(self._client, url, key, on_call=on_call, budget=budget, zone=zone, at_once=at_once)

    def probe(self, url: str, token: Secret, on_call: Callable[[CallRecord], None] = lambda _: None) -> MoodleProbe:
        """The same with what a self-check asks besides."""
        return MoodleProbe(self._client, url, token, on_call=on_call)
