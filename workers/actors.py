"""The actors: one line each. A wake-up names a scope; the use case looks up what is due in it."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial

import dramatiq

from runtime.topology import APPLY, MAINTENANCE, POLL, PROVISION

URGENT_CALLERS, PATIENT_CALLERS = 2, 2  # per site


@dataclass(frozen=True, slots=True)
class UseCases:
    """
    What the actors do, with everything they need already bound.

    The second argument of `apply` and `provision`: leave to others what nobody waits for.
    """

    apply: Callable[[str, bool], None]
    provision: Callable[[int, bool], None]
    poll: Callable[[int], None]
    maintain: Callable[[], None]


class Lanes:
    """
    Lets at most so many threads of this process work for one scope; further wake-ups end at once.

    More callers than a site has cores add nothing (contract, section 11), and one slow site must not take every
    thread (B12). A wake-up that ends here is not missed: whoever is at work goes on until nothing is due.

    Sweeps and the like, which nobody waits for, have the patient lanes, of all scopes together at most so many as
    `patience` lets in. So whatever somebody waits for finds an urgent lane and a thread at once.
    """

    def __init__(self, *, patient: int, urgent: int, patience: threading.BoundedSemaphore) -> None:
        self._lock = threading.Lock()
        self._widths = (patient, urgent)
        self._patience = patience
        self._patient: Counter[Hashable] = Counter()
        self._urgent: Counter[Hashable] = Counter()

    def run(self, scope: Hashable, work: Callable[[bool], None]) -> None:
        """Do the work in a free lane, if there is one; it is told whether to leave what nobody waits for."""
        lane = self._enter(scope)
        if lane is None:
            return
        try:
            work(lane is self._urgent)
        finally:
            self._leave(scope, lane)

    def _enter(self, scope: Hashable) -> Counter[Hashable] | None:
        patient, urgent = self._widths
        with self._lock:
            if self._patient[scope] < patient and self._patience.acquire(blocking=False):
                lane = self._patient
            elif self._urgent[scope] < urgent:
                lane = self._urgent
            else:
                return None
            lane[scope] += 1
            return lane

    def _leave(self, scope: Hashable, lane: Counter[Hashable]) -> None:
        with self._lock:
            lane[scope] -= 1
        if lane is self._patient:
            self._patience.release()


class Budget:
    """Says stop when the process is to end or a wake-up has had its share of a thread."""

    def __init__(self, stop: threading.Event, seconds: float) -> None:
        self._stop = stop
        self._until = time.monotonic() + seconds

    def spent(self) -> bool:
        return self._stop.is_set() or time.monotonic() > self._until


def register(broker: dramatiq.Broker, use_cases: UseCases, *, threads: int) -> None:
    """Declare the actors on this broker; each has the name of its queue. So many threads work on them."""
    patience = threading.BoundedSemaphore(max(1, threads - 1))
    # One applies and one waits to see what came meanwhile; more would only hold threads.
    applying = Lanes(patient=1, urgent=1, patience=patience)
    calling = Lanes(patient=PATIENT_CALLERS, urgent=URGENT_CALLERS, patience=patience)

    def apply(tenant: str) -> None:
        applying.run(tenant, partial(use_cases.apply, tenant))

    def provision(integration_id: int) -> None:
        calling.run(integration_id, partial(use_cases.provision, integration_id))

    actors: dict[str, Callable[..., None]] = {
        APPLY: apply,
        PROVISION: provision,
        POLL: use_cases.poll,
        MAINTENANCE: use_cases.maintain,
    }
    for name, use_case in actors.items():
        dramatiq.actor(actor_name=name, queue_name=name, broker=broker)(use_case)
