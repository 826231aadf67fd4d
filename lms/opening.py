"""The one place that turns an integration's address and token into a gateway."""

from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self

from domain.integration import IntegrationSettings
from domain.lms import LmsGateway
from lms.calls import OnCall
from lms.moodle import MoodleGateway
from lms.moodle_probe import MoodleProbe
from lms.talentlms import TalentGateway
from lms.talentlms_probe import TalentProbe
from lms.transport import Limits, build_client
from runtime.secrets import Secret

Probe = MoodleProbe | TalentProbe


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

    def open(
        self,
        settings: IntegrationSettings,
        token: Secret,
        on_call: OnCall | None = None,
        budget: Callable[[], None] = lambda: None,
    ) -> LmsGateway:
        """
        The gateway to the integration's LMS, a UnitGateway where that is a portal; nothing is called yet.

        Args:
            budget: Called before every call that the LMS counts; may raise LmsThrottled, and then nothing is sent.
        """
        if settings.lms == "moodle":
            return MoodleGateway(self._client, settings.url, token, on_call=on_call)
        return TalentGateway(
            self._client,
            settings.url,
            token,
            on_call=on_call,
            budget=budget,
            zone=settings.zone(),
            key_field=settings.people.key_field,
            at_once=settings.calls.concurrent,
        )

    def probe(
        self,
        settings: IntegrationSettings,
        token: Secret,
        on_call: OnCall | None = None,
        budget: Callable[[], None] = lambda: None,
    ) -> Probe:
        """The same with what a self-check asks besides."""
        if settings.lms == "moodle":
            return MoodleProbe(self._client, settings.url, token, on_call=on_call)
        zone, key_field = settings.zone(), settings.people.key_field
        return TalentProbe(
            self._client, settings.url, token, on_call=on_call, budget=budget, zone=zone, key_field=key_field
        )
