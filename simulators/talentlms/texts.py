"""
How a portal writes: dates in its own time zone with their twins in seconds, durations, escaped text.
"""

from __future__ import annotations

import html
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from simulators.talentlms.settings import DATE_FORMATS, Settings


def escaped(text: str) -> str:
    """Text as PHP makes it safe for a page, quotes included."""
    return html.escape(text, quote=False).replace('"', "&quot;").replace("'", "&#039;")


def price(amount: str) -> str:
    """An amount in dollars, whose sign is an entity."""
    return f"&#36;{amount}"


def moment(settings: Settings, at: float, seconds: bool = True) -> str:
    """A moment in the portal's zone and format, `02/03/2026, 09:15:00`."""
    local = datetime.fromtimestamp(int(at), ZoneInfo(settings.timezone))
    hour = "%I" if settings.twelve_hours else "%H"
    time = f"{hour}:%M:%S" if seconds else f"{hour}:%M"
    half = " %p" if settings.twelve_hours else ""
    return local.strftime(f"{DATE_FORMATS[settings.date_format]}, {time}{half}")


def dated(settings: Settings, name: str, at: float | None) -> dict[str, Any]:
    """A date and its twin in Unix seconds; of what has not happened the one is empty and the other null."""
    if at is None:
        return {name: "", f"{name}_timestamp": "" if settings.documented else None}
    return {name: moment(settings, at), f"{name}_timestamp": str(int(at))}


def end_of_day(settings: Settings, text: str) -> float:
    """The last second of a day written without a time; a ValueError when it is no day."""
    # Naive only until the next line: the zone's day is meant.
    day = datetime.strptime(text, DATE_FORMATS[settings.date_format])  # noqa: DTZ007
    return (day.replace(tzinfo=ZoneInfo(settings.timezone)) + timedelta(days=1, seconds=-1)).timestamp()


def duration(seconds: int | None) -> dict[str, Any]:
    """The two keys of a time spent, `4h 12m 9s`; None is somebody who never came."""
    if seconds is None:
        return {"total_time": None, "total_time_seconds": 0}
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}h"] * bool(hours) + [f"{minutes}m"] * bool(hours or minutes) + [f"{rest}s"]
    return {"total_time": " ".join(parts), "total_time_seconds": seconds}


def score(value: float | None) -> str:
    """A score without needless zeros, empty when there is none."""
    return "" if value is None else f"{value:.2f}".rstrip("0").rstrip(".")
