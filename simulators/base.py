"""
What both simulated systems share: the way one call goes.

Read the request, look for a fault, wait for a worker, do the work under the site's lock, let the work's time pass
outside of it, spoil the answer, write the call log.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from simulators.faults import Fault, Faults
from simulators.journal import Journal
from simulators.latency import Latency
from simulators.ledger import Ledger
from simulators.wire import Request, Response

T = TypeVar("T")


@dataclass
class Work:
    """One call being served: its function, the values it sent, the fault it met, and the items it cost so far."""

    function: str
    values: Iterable[str] = ()
    fault: Fault | None = None
    items: int = 0
    fields: dict[str, str] = field(default_factory=dict)


class SimulatedSite(ABC):
    """A site with a clock, faults, a journal, a ledger and a latency; the dialect is the subclass's."""

    settings: Any

    def __init__(
        self, clock: Callable[[], float] = time.time, latency: Latency | None = None, ledger_path: Path | None = None
    ) -> None:
        self.clock = clock
        self.latency = latency or Latency()
        self.journal = Journal()
        self.ledger = Ledger(clock, ledger_path)
        self.faults = Faults(clock)
        self.lock = threading.RLock()

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        started, arrived = time.monotonic(), self.clock()
        work = self.read(request)
        work.fault = self.faults.match(work.function, work.values)
        plain = self._run(request, work) if work.fault is None or work.fault.executes else None
        response = work.fault.spoil(plain) if work.fault is not None else cast("Response", plain)
        status = 0 if response.lost else response.status
        call = {"at": arrived, "function": work.function, "items": work.items, "status": status}
        fault = work.fault.name or "fault" if work.fault else ""
        self.ledger.record_call(**call, duration=time.monotonic() - started, fault=fault)
        return response

    def _run(self, request: Request, work: Work) -> Response:
        with self.latency.slot():
            with self.lock:
                response = self.serve(request, work)
            self.latency.charge(work.function, work.items)
        return response

    def transaction(self, work: Work, act: Callable[[], T]) -> T:
        """Do all of it, or nothing when it fails or is a lie; the ledger hears of it only once it is final."""
        self.commit()
        try:
            value = act()
        except BaseException:
            self.journal.rollback()
            raise
        if work.fault is not None and work.fault.commit == "never":
            self.journal.rollback()
        self.commit()
        return value

    def commit(self) -> None:
        """Make the changes since the last commit final and tell the ledger."""
        self.ledger.record(self.journal.settle())

    @abstractmethod
    def served_at(self, url: str) -> None:
        """Hear the address at which the site answers, and use it in answers unless another one is set."""

    @abstractmethod
    def counts(self) -> dict[str, Any]:
        """What the site holds at this moment, in numbers; called under the lock."""

    @abstractmethod
    def read(self, request: Request) -> Work:
        """Tell what the request asks for, without doing it."""

    @abstractmethod
    def serve(self, request: Request, work: Work) -> Response:
        """Do what the request asks for; called under the lock; counts the items into the work."""
