"""The actors: one line each. A wake-up names a scope; the use case looks up what is due in it."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import dramatiq

from runtime.topology import APPLY, MAINTENANCE, POLL, PROVISION


@dataclass(frozen=True, slots=True)
class UseCases:
    """What the actors do, with everything they need already bound."""

    apply: Callable[[str], None]
    provision: Callable[[int], None]
    poll: Callable[[int], None]
    maintain: Callable[[], None]


class Lanes:
    """
    Lets at most so many threads of this process work for one scope; further wake-ups end at once.

    More callers than a site has cores add nothing (contract, section 11), and one slow site must not take every
    thread (B12). A wake-up that ends here is not missed: whoever is at work goes on until nothing is due.
    """

    def __init__(self, width: int) -> None:
        self._lock = threading.Lock()
        self._busy: defaultdict[Hashable, int] = defaultdict(int)
        self._width = width

    def enter(self, scope: Hashable) -> bool:
        with self._lock:
            if self._busy[scope] >= self._width:
                return False
            self._busy[scope] += 1
            return True

    def leave(self, scope: Hashable) -> None:
        with self._lock:
            self._busy[scope] -= 1


class Budget:
    """Says stop when the process is to end or a wake-up has had its share of a thread."""

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        self._stop = stop
        self._until = time.monotonic() + seconds

    def spent(self) -> bool:
        return self._stop.is_set() or time.monotonic() > self._until


def register(broker: dramatiq.Broker, use_cases: UseCases, *, lanes: Lanes) -> None:
    """Declare the actors on this broker; each has the name of its queue."""

    applying = Lanes(2)

    def apply(tenant: str) -> None:
        # One applies and one waits to see what came meanwhile; more would only hold threads.
        if applying.enter(tenant):
            try:
                use_cases.apply(tenant)
            finally:
                applying.leave(tenant)

    def provision(integration_id: int) -> None:
        if lanes.enter(integration_id):
            try:
                use_cases.provision(integration_id)
            finally:
                lanes.leave(integration_id)

    actors: dict[str, Callable[..., None]] = {
        APPLY: apply,
        PROVISION: provision,
        POLL: use_cases.poll,
        MAINTENANCE: use_cases.maintain,
    }
    for name, use_case in actors.items():
        dramatiq.actor(actor_name=name, queue_name=name, broker=broker)(use_case)
