"""Whether the console process on this machine answers: `python -m ops.api.health`; what its health check asks."""

import http.client
import os
import sys

from ops.api.app import HEALTH
from runtime.settings import read_settings

TIMEOUT_S = 3


def main() -> int:
    """0 when it answers."""
    connection = http.client.HTTPConnection("127.0.0.1", read_settings(os.environ).console.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", HEALTH)
        return 0 if connection.getresponse().status == http.client.OK else 1
    except OSError:
        return 1
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
