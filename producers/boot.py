"""The scheduler process: `python -m producers.boot`."""

import os
import signal
import sys
import threading

from db.heartbeats import told
from db.pool import open_pool
from producers.publisher import Publisher
from producers.scheduler import run_clock, run_relay
from producers.wakeups import WakeUps, wakeup_broker
from runtime.logs import configure_logs
from runtime.settings import BadSettings, read_settings


def main() -> int:
    """Run clock and outbox relay until SIGTERM or SIGINT."""
    configure_logs("scheduler")
    try:
        settings = read_settings(os.environ)
    except BadSettings as problems:
        sys.stderr.write(f"{problems}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with open_pool(settings.database_url, name="scheduler", role="worker", max_size=3) as pool:
        publisher = Publisher(settings.amqp_url)
        relay = threading.Thread(target=run_relay, args=(pool, publisher, stop), name="relay", daemon=True)
        relay.start()
        with told(pool):
            run_clock(pool, WakeUps(wakeup_broker(settings.amqp_url)), stop, settings.timing.tick)
        relay.join(timeout=15)
        publisher.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
