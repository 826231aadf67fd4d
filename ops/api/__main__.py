"""The console process: `python -m ops.api`."""

import os
import signal
import sys
import threading
from datetime import timedelta

import uvicorn

from db.pool import open_pool
from ops.api.app import build
from ops.api.guard import Site
from ops.api.sending import Sender
from runtime.logs import configure_logs
from runtime.settings import BadSettings, read_settings

STATEMENT_TIMEOUT = timedelta(seconds=10)
TIME_TO_STOP_S = 30
REQUESTS_AT_ONCE = 100
CONNECTIONS = 10


def main() -> int:
    """Answer requests until SIGTERM or SIGINT; those under way are finished."""
    configure_logs("console")
    try:
        settings = read_settings(os.environ)
    except BadSettings as problems:
        sys.stderr.write(f"{problems}\n")
        return 2
    pool = open_pool(
        settings.database_url,
        name="console",
        role="console",
        max_size=CONNECTIONS,
        statement_timeout=STATEMENT_TIMEOUT,
    )
    sender = Sender(settings.amqp_url)
    config = uvicorn.Config(
        build(Site(settings, pool, sender)),
        host=settings.console.host,
        port=settings.console.port,
        log_config=None,
        access_log=False,  # it would hold paths; ops.api.outer logs routes
        server_header=False,
        limit_concurrency=REQUESTS_AT_ONCE,
        timeout_graceful_shutdown=TIME_TO_STOP_S,
    )
    _serve(uvicorn.Server(config))
    sender.close()
    pool.close()
    return 0


def _serve(server: uvicorn.Server) -> None:
    """In a thread, because in the main one uvicorn ends by the signal that it was stopped with, as if it had failed."""

    def stop(*_: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    serving = threading.Thread(target=server.run, name="server")
    serving.start()
    serving.join()


if __name__ == "__main__":
    sys.exit(main())
