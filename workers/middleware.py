"""Cross-cutting work of every wake-up, in one seam."""

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
