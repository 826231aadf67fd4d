"""
How long a simulated site takes.

Figures are milliseconds from section 11 of the measured contract, one caller: a fixed part per call and a part per
item. An item is an element sent for writes, a record returned for look-ups (a miss costs the call only), a row for
reports. `workers` calls are served at once; the others queue, as behind a small pool of PHP processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType

# (fixed ms, ms per item), fitted to the medians for 1 and 100 items.
MEASURED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "core_webservice_get_site_info": (35, 0),
        "core_user_get_users_by_field": (28, 3.8),
        "core_user_get_users": (28, 3.8),
        "core_user_create_users": (38, 7.0),
        "core_user_update_users": (15, 1.1),
        "enrol_manual_enrol_users": (19, 3.6),
        "enrol_manual_unenrol_users": (19, 3.6),
        "core_enrol_get_enrolled_users": (30, 2.8),
        "core_enrol_get_users_courses": (30, 5.0),
        "core_course_get_courses": (20, 2.7),
        "core_course_get_courses_by_field": (20, 2.7),
        "core_course_get_categories": (20, 0.5),
        "core_completion_get_course_completion_status": (34, 0),
        "core_completion_get_activities_completion_status": (26, 0),
        "gradereport_user_get_grade_items": (40, 4.6),
        "gradereport_overview_get_course_grades": (23, 0),
        "core_reportbuilder_retrieve_report": (20, 0.16),
    }
)
FIXED_MS, ITEM_MS = 25.0, 3.0
# Nobody has measured one; clients that call it in a row report a tenth to three tenths of a second.
PORTAL: Mapping[str, tuple[float, float]] = MappingProxyType(
    dict.fromkeys(("users", "courses", "groups", "getuserstatusincourse", "gettimeline", "ratelimit"), (100, 0.05))
    | dict.fromkeys(("usersignup", "edituser", "deleteuser", "addusertocourse", "addusertogroup"), (250, 0))
)


@dataclass
class Latency:
    """
    The time a call takes and how many calls run at once.

    `call_ms` replaces the fixed part of every function, `scale` multiplies everything. `workers=None` is unlimited.
    `default` is what a function without costs of its own takes.
    """

    enabled: bool = False
    call_ms: float | None = None
    scale: float = 1.0
    workers: int | None = None
    costs: Mapping[str, tuple[float, float]] = field(default_factory=lambda: MEASURED)
    default: tuple[float, float] = (FIXED_MS, ITEM_MS)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._slots = threading.BoundedSemaphore(self.workers) if self.workers else None

    def seconds(self, function: str, items: int) -> float:
        """How long one call with so many items takes."""
        fixed, per_item = self.costs.get(function, self.default)
        fixed = fixed if self.call_ms is None else self.call_ms
        return self.scale * (fixed + per_item * items) / 1000 if self.enabled else 0.0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold one of the workers for the duration of the block."""
        if self._slots is None:
            yield
            return
        with self._slots:
            yield

    def charge(self, function: str, items: int) -> None:
        """Let the time of the call pass; never call this while holding the state's lock."""
        seconds = self.seconds(function, items)
        if seconds > 0:
            self.sleep(seconds)


def small_site() -> Latency:
    """A small Moodle: 30 ms before a call does anything, two calls at a time."""
    return Latency(enabled=True, call_ms=30.0, workers=2)


def talent_portal() -> Latency:
    """A TalentLMS portal as one meets it over the Internet: a tenth to three tenths of a second a call."""
    return Latency(enabled=True, costs=PORTAL, default=(150, 0))


PRESETS: Mapping[str, Callable[[], Latency]] = MappingProxyType(
    {"off": Latency, "small": small_site, "measured": lambda: Latency(enabled=True), "portal": talent_portal}
)


def latency_named(preset: str) -> Latency:
    """
    A latency by name.

    "off", for a Moodle "small" (30 ms a call, two at a time) or "measured" (the contract's figures), and for
    TalentLMS "portal".
    """
    if preset not in PRESETS:
        raise ValueError(f"latency must be one of {sorted(PRESETS)}")
    return PRESETS[preset]()
