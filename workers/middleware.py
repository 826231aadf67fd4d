"""Cross-cutting work of every wake-up, in one seam."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from dramatiq import Broker, Middleware
from dramatiq.broker import MessageProxy

log = structlog.get_logger()


class LogContext(Middleware):
    """Every line written while a wake-up is worked on says which; a use case that fails as a bug is logged once."""

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(actor=message.actor_name, wake_up=message.message_id)

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: object = None, exception: BaseException | None = None
    ) -> None:
        if exception is not None:
            log.error("wake-up failed", scope=list(message.args), error=type(exception).__name__)
        structlog.contextvars.clear_contextvars()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        structlog.contextvars.clear_contextvars()


class UnderWay(Middleware):
    """Knows since when each thread has been at its wake-up."""

    LONGEST = timedelta(minutes=10)  # a wake-up ends after 20 seconds and the step it is at, be the LMS ever so slow

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._since: dict[int, float] = {}

    def stuck(self) -> bool:
        """Whether some wake-up takes so long that it will never end."""
        return any(self._now() - since > self.LONGEST.total_seconds() for since in list(self._since.values()))

    def before_process_message(self, broker: Broker, message: MessageProxy) -> None:
        self._since[threading.get_ident()] = self._now()

    def after_process_message(
        self, broker: Broker, message: MessageProxy, *, result: object = None, exception: BaseException | None = None
    ) -> None:
        self._since.pop(threading.get_ident(), None)

    after_skip_message = after_process_message
