"""The one place that turns an integration's settings into a gateway."""

from collections.abc import Callable
from datetime import timedelta

import httpx

from domain.lms import LmsGateway
from lms.moodle import MoodleGateway
from lms.moodle_calls import CallRecord
from lms.transport import Limits, build_client
from runtime.secrets import Secret


def lms_client(*, allow_private: bool, deadline: timedelta) -> httpx.Client:
    """One client for every integration of a process; `deadline` bounds each call as a whole."""
    default = Limits()
    limits = Limits(min(default.connect, deadline), min(default.read, deadline), deadline)
    return build_client(allow_private=allow_private, limits=limits)


def open_gateway(client: httpx.Client, url: str, token: Secret, on_call: Callable[[CallRecord], None]) -> LmsGateway:
    """The gateway to the LMS at `url`; nothing is called yet."""
    return MoodleGateway(client, url, token, on_call=on_call)
