"""
A worker that stops at a crash point as if its machine had paused: `python -m tests.support.freezing worker QUEUE …`.
"""

import os
import signal
import sys
import threading

from runtime import crashpoints


def stop_here() -> None:
    """
    This thread stops here, and all others with it; a signal to the process would let this one run on for a moment.
    """
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


# The places read this name when they are imported, so it is replaced before the worker is.
crashpoints.crashpoint = crashpoints.armed(os.environ, kill=stop_here)

if __name__ == "__main__":
    from workers import boot

    sys.exit(boot.main(sys.argv[1:]))
