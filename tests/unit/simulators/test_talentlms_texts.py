"""
How a simulated portal writes dates, times spent and scores.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.talentlms.settings import DATE_FORMATS, Settings
from simulators.talentlms.texts import dated, duration, end_of_day, escaped, moment, score

WINTER, SUMMER = 1773550799, 1784077200  # in Athens: 15/03/2026, 06:59:59 and 15/07/2026, 04:00:00


@pytest.mark.parametrize(
    ("settings", "winter", "summer"),
    [
        ({"timezone": "Europe/Athens"}, "15/03/2026, 06:59:59", "15/07/2026, 04:00:00"),
        ({"timezone": "Australia/Sydney"}, "15/03/2026, 15:59:59", "15/07/2026, 11:00:00"),
        ({"timezone": "UTC", "date_format": "MMDDYYYY"}, "03/15/2026, 04:59:59", "07/15/2026, 01:00:00"),
        (
            {"timezone": "Australia/Sydney", "date_format": "YYYYMMDD", "twelve_hours": True},
            "2026/03/15, 03:59:59 PM",
            "2026/07/15, 11:00:00 AM",
        ),
    ],
)
def test_dates_are_in_the_zone_and_the_format_of_the_portal(settings: dict[str, str], winter: str, summer: str) -> None:
    portal = Settings(**settings)  # type: ignore[arg-type]
    assert (moment(portal, WINTER), moment(portal, SUMMER)) == (winter, summer)


@given(
    st.floats(0, 4e9), st.sampled_from(["UTC", "Europe/London", "Australia/Sydney"]), st.sampled_from([*DATE_FORMATS])
)
def test_a_date_and_its_twin_are_the_same_moment(at: float, zone: str, date_format: str) -> None:
    portal = Settings(timezone=zone, date_format=date_format)
    both = dated(portal, "completed_on", at)
    twin = datetime.fromtimestamp(int(both["completed_on_timestamp"]), ZoneInfo(zone))
    assert twin.strftime(f"{DATE_FORMATS[date_format]}, %H:%M:%S") == both["completed_on"]


def test_what_has_not_happened_is_empty_and_null() -> None:
    assert dated(Settings(), "x", None) == {"x": "", "x_timestamp": None}
    assert dated(Settings(documented=True), "x", None) == {"x": "", "x_timestamp": ""}


@given(st.dates().filter(lambda day: 1971 <= day.year <= 2100), st.sampled_from([*DATE_FORMATS]))
def test_a_day_ends_with_its_last_second_even_when_the_clocks_change(day: datetime, date_format: str) -> None:
    portal = Settings(date_format=date_format)
    text = day.strftime(DATE_FORMATS[date_format])
    assert moment(portal, end_of_day(portal, text)) == f"{text}, 23:59:59"


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="YYDD"):
        Settings(date_format="YYDD")


@pytest.mark.parametrize(
    ("spent", "text"),
    [(None, None), (0, "0s"), (213, "3m 33s"), (3600, "1h 0m 0s"), (15129, "4h 12m 9s"), (90000, "25h 0m 0s")],
)
def test_time_spent_is_told_in_words_and_seconds(spent: int | None, text: str | None) -> None:
    assert duration(spent) == {"total_time": text, "total_time_seconds": spent or 0}


@pytest.mark.parametrize(("value", "text"), [(None, ""), (0, "0"), (100, "100"), (86.67, "86.67"), (86.5, "86.5")])
def test_scores_have_no_needless_zeros(value: float | None, text: str) -> None:
    assert score(value) == text


def test_text_is_made_safe_for_a_page() -> None:
    assert escaped('<O\'Neil & "Co">') == "&lt;O&#039;Neil &amp; &quot;Co&quot;&gt;"
