"""
A worker that stops at a crash point as if its machine had paused: `python -m tests.support.freezing worker QUEUE …`.
"""

import os
import signal
import sys

from runtime import crashpoints

# The places read this name when they are imported, so it is replaced before the worker is.
crashpoints.crashpoint = crashpoints.armed(os.environ, kill=lambda: os.kill(os.getpid(), signal.SIGSTOP))

if __name__ == "__main__":
    from workers import boot

    sys.exit(boot.main(sys.argv[1:]))
