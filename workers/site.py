"""What a worker knows of one integration's site: the gateway, the password for newcomers, and what was asked of it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock
from typing import cast

import structlog

from db.accounts import Integration
from domain.budget import Purpose
from domain.errors import ProvisioningError
from domain.lms import LmsGateway, UnitGateway
from domain.recovery import RecoveryPolicy
from runtime.secrets import Secret
from runtime.settings import Timing
from workers.purse import Purse

log = structlog.get_logger()

_MS = timedelta(milliseconds=1)


class CallMeter:
    """Counts LMS calls between two records of them; threads share it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._calls: Counter[tuple[str, str]] = Counter()
        self._items: Counter[tuple[str, str]] = Counter()

    def count(self, function: str, outcome: str, items: int, took: timedelta = timedelta(0)) -> None:
        """One call was made; its line in the log belongs to whatever batch it was made for."""
        log.info("LMS called", function=function, outcome=outcome, items=items, took_ms=round(took / _MS))
        with self._lock:
            self._calls[function, outcome] += 1
            self._items[function, outcome] += items

    def drain(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(function, outcome) to calls and items since the last drain."""
        with self._lock:
            counts = {key: (calls, self._items[key]) for key, calls in self._calls.items()}
            self._calls.clear()
            self._items.clear()
        return counts


@dataclass(frozen=True, slots=True)
class Site:
    """One integration, reachable. Where the LMS counts calls, the gateway pays for them from the `purse`."""

    integration: Integration
    gateway: LmsGateway
    meter: CallMeter
    preset_password: Secret | None
    purse: Purse | None = None

    def understood(self, stop: ProvisioningError, purpose: Purpose) -> ProvisioningError:
        """What stopped work of this purpose, seen in the light of the calls that are left."""
        return self.purse.understood(stop, purpose) if self.purse else stop

    @property
    def units(self) -> UnitGateway:
        """The gateway, of an integration whose results are read by unit."""
        return cast("UnitGateway", self.gateway)


@dataclass(frozen=True, slots=True)
class WorkRules:
    """
    How work is claimed and tried again.

    Attributes:
        dice: Gives numbers from 0 to 1.
        stopping: Ends loops early.
        urgent_only: Leaves to others what nobody waits for.
    """

    timing: Timing
    policy: RecoveryPolicy
    dice: Callable[[], float]
    stopping: Callable[[], bool]
    batch: int = 100
    urgent_only: bool = False

    @property
    def lease(self) -> timedelta:
        return self.timing.lease


OpenSite = Callable[[Integration], Site]
