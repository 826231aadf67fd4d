"""One enrolment as the LMS should hold it: whole days of the integration's own time zone, complete every time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.enrolments import WantedPlacement, due_between, ended, merged, wanted_placement
from domain.events import Course, CourseEnrolment
from domain.lms import LmsEnrolment
from tests.unit.domain.values import NOON, integration

DAYS = st.dates(date(1971, 1, 1), date(2199, 12, 31))
# Zones that skip midnight, repeat it, skipped a whole day, or lie a half hour or half a day away.
ZONES = st.sampled_from(
    [
        "UTC",
        "Europe/Amsterdam",
        "America/Sao_Paulo",
        "Africa/Cairo",
        "America/Havana",
        "Asia/Beirut",
        "Pacific/Apia",
        "Pacific/Kiritimati",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "America/St_Johns",
    ]
)


def enrolment(**said: object) -> CourseEnrolment:
    return CourseEnrolment.model_validate(
        {"enrolment_key": "EN-1", "employee_key": "E-1002", "course_code": "ICT30120-A"} | said
    )


def test_an_enrolment_is_always_complete() -> None:
    """R84: what is left out would be reset by the LMS."""
    placement = wanted_placement(enrolment(starts_on="2026-05-16", ends_on="2026-09-20"), integration())

    assert placement == WantedPlacement(
        role="5",
        starts_at=datetime(2026, 5, 16, tzinfo=UTC),
        ends_at=datetime(2026, 9, 20, 23, 59, 59, tzinfo=UTC),
        suspended=False,
    )


def test_without_days_there_is_no_limit() -> None:
    """R84."""
    placement = wanted_placement(enrolment(), integration())

    assert (placement.starts_at, placement.ends_at) == (None, None)


@pytest.mark.parametrize(
    ("zone", "day", "starts", "ends"),
    [
        ("Europe/Amsterdam", "2026-01-31", (30, 23, 0), (31, 22, 59)),
        ("Europe/Amsterdam", "2026-03-29", (28, 23, 0), (29, 21, 59)),  # the day of 23 hours
        ("Europe/Amsterdam", "2026-10-25", (24, 22, 0), (25, 22, 59)),  # the day of 25 hours
        ("America/New_York", "2028-02-29", (29, 5, 0), (1, 4, 59)),  # a leap day
        ("Pacific/Kiritimati", "2026-12-31", (30, 10, 0), (31, 9, 59)),  # the year ends early
        ("Asia/Kathmandu", "2026-06-01", (31, 18, 15), (1, 18, 14)),
        ("America/Sao_Paulo", "2018-11-04", (4, 3, 0), (5, 1, 59)),  # midnight does not exist
        ("America/Havana", "2026-11-01", (1, 4, 0), (2, 4, 59)),  # midnight comes twice
    ],
)
def test_days_are_those_of_the_integrations_own_time_zone(
    zone: str, day: str, starts: tuple[int, int, int], ends: tuple[int, int, int]
) -> None:
    """F9, T3, R84: given as day of month, hour and minute in UTC; the last day belongs to it."""
    placement = wanted_placement(enrolment(starts_on=day, ends_on=day), integration(timezone=zone))

    assert placement.starts_at is not None
    assert placement.ends_at is not None
    assert (placement.starts_at.day, placement.starts_at.hour, placement.starts_at.minute) == starts
    assert (placement.ends_at.day, placement.ends_at.hour, placement.ends_at.minute) == ends


@given(day=DAYS, zone=ZONES)
def test_a_day_is_covered_from_its_first_second_to_its_last(day: date, zone: str) -> None:
    """F9, T3: in every zone, on every day that exists there."""
    placement = wanted_placement(enrolment(starts_on=day, ends_on=day), integration(timezone=zone))
    starts, ends = placement.starts_at, placement.ends_at
    assert starts is not None
    assert ends is not None
    if (zone, day) == ("Pacific/Apia", date(2011, 12, 30)):
        assert ends < starts  # Samoa had no such day
        return

    here, second = ZoneInfo(zone), timedelta(seconds=1)
    assert starts.astimezone(here).date() == ends.astimezone(here).date() == day
    assert (starts - second).astimezone(here).date() < day
    assert (ends + second).astimezone(here).date() > day
    assert timedelta(hours=22) < ends - starts < timedelta(hours=26)
    assert starts.tzinfo is ends.tzinfo is UTC


def test_an_extension_moves_the_end_and_nothing_else() -> None:
    """R133."""
    plain = wanted_placement(enrolment(starts_on="2026-05-16", ends_on="2026-09-20"), integration())
    extended = wanted_placement(
        enrolment(starts_on="2026-05-16", ends_on="2026-09-20", extended_to="2026-12-20"), integration()
    )

    assert extended == plain.model_copy(update={"ends_at": datetime(2026, 12, 20, 23, 59, 59, tzinfo=UTC)})


def test_a_deferral_changes_nothing() -> None:
    """R133: it must not trigger a second provision."""
    said = {"starts_on": "2026-05-16", "ends_on": "2026-09-20"}
    plain, deferred = enrolment(**said), enrolment(**said, deferred_on="2026-06-01")

    assert wanted_placement(deferred, integration()) == wanted_placement(plain, integration())
    assert due_between(deferred, integration()) == due_between(plain, integration())


@pytest.mark.parametrize(
    ("said", "over"),
    [
        ({}, False),
        ({"status": "completed"}, False),
        ({"booking_status": "tentative"}, False),
        ({"booking_status": "cancelled"}, True),
        ({"status": "withdrawn"}, True),
        ({"export": False}, False),
    ],
)
def test_what_hr_ends_is_suspended_and_an_unticked_box_ends_nothing(said: dict[str, object], over: bool) -> None:
    """R128, R133, R146: removing would lose grades; a setting leaves those that end as they are."""
    assert ended(enrolment(**said)) == over
    assert wanted_placement(enrolment(**said), integration()).suspended == over
    left = wanted_placement(enrolment(**said), integration(enrolments={"when_ended": "leave"}))
    assert (left.suspended, left.ended) == (False, over)


@pytest.mark.parametrize(("role", "site_role"), [("learner", "12"), ("tutor", "13")])
def test_roles_are_the_sites_own(role: str, site_role: str) -> None:
    """R186."""
    roles = {"learner": "12", "tutor": "13"}

    assert wanted_placement(enrolment(role=role), integration(roles=roles)).role == site_role


def test_an_enrolment_is_due_from_midnight_of_its_export_day() -> None:
    """R124, F9: and at once without one."""
    there = integration(timezone="Europe/Amsterdam")

    assert due_between(enrolment(export_on="2026-06-02"), there) == (datetime(2026, 6, 1, 22, tzinfo=UTC), None)
    assert due_between(enrolment(), there) == (None, None)


def test_where_only_the_day_itself_counts_it_ends_with_its_last_second() -> None:
    """R124: today only, in the integration's time zone."""
    there = integration(timezone="Europe/Amsterdam", enrolments={"due": "today"})

    assert due_between(enrolment(export_on="2026-06-02"), there) == (
        datetime(2026, 6, 1, 22, tzinfo=UTC),
        datetime(2026, 6, 2, 21, 59, 59, tzinfo=UTC),
    )


def test_without_the_condition_no_day_is_waited_for() -> None:
    """R127"""
    there = integration(enrolments={"conditions": ["booking_confirmed"]})

    assert due_between(enrolment(export_on="2026-06-02"), there) == (None, None)


def test_talentlms_keeps_no_dates_so_an_extension_changes_nothing_there() -> None:
    """R133: neither deferment nor extension may provision twice."""
    there = integration(lms="talentlms")
    plain = wanted_placement(enrolment(starts_on="2026-05-16", ends_on="2026-09-20"), there)
    moved = enrolment(starts_on="2026-05-16", ends_on="2026-09-20", extended_to="2026-12-20", deferred_on="2026-06-01")

    assert wanted_placement(moved, there) == plain
    assert (plain.role, plain.starts_at, plain.ends_at) == ("learner", None, None)


@pytest.mark.parametrize(("given", "key"), [("77eD6LXHH", "77eD6LXHH"), ("  ", ""), (None, "")])
def test_the_group_is_the_courses_and_a_blank_one_is_none(given: str | None, key: str) -> None:
    """R130"""
    course = Course(course_code="ICT30120-A", group_key=given)

    assert wanted_placement(enrolment(), integration(), course).group_key == key


# Several enrolments in one course

INSTANTS = st.none() | st.integers(0, 5).map(lambda days: NOON + timedelta(days=days))
PLACEMENTS = st.lists(
    st.builds(
        WantedPlacement, role=st.sampled_from(["4", "5"]), starts_at=INSTANTS, ends_at=INSTANTS, suspended=st.booleans()
    ),
    min_size=1,
    max_size=5,
)


def as_placements(elements: list[LmsEnrolment]) -> list[WantedPlacement]:
    return [
        WantedPlacement(role=e.role, starts_at=e.starts_at, ends_at=e.ends_at, suspended=e.suspended) for e in elements
    ]


@given(wanted=PLACEMENTS.flatmap(lambda every: st.tuples(st.just(every), st.permutations(every))))
def test_the_order_of_enrolments_does_not_matter(wanted: tuple[list[WantedPlacement], list[WantedPlacement]]) -> None:
    """I4, I6."""
    assert merged("7", "3", wanted[0]) == merged("7", "3", wanted[1])


@given(wanted=PLACEMENTS)
def test_merging_again_changes_nothing(wanted: list[WantedPlacement]) -> None:
    """I4: neither what was merged, nor a duplicate of it."""
    once = merged("7", "3", wanted)

    assert merged("7", "3", as_placements(once)) == once
    assert merged("7", "3", wanted + wanted) == once


@given(wanted=PLACEMENTS)
def test_nobody_gets_less_than_one_of_their_open_enrolments_gives(wanted: list[WantedPlacement]) -> None:
    """R84: from the earliest start to the latest end; closed ones neither widen nor narrow it."""
    elements = merged("7", "3", wanted)
    open_ones = [item for item in wanted if not item.suspended]

    for element in elements:
        assert element.suspended == (not open_ones)
        for item in open_ones:
            assert element.starts_at is None or (item.starts_at is not None and element.starts_at <= item.starts_at)
            assert element.ends_at is None or (item.ends_at is not None and element.ends_at >= item.ends_at)
        if open_ones:
            assert element.starts_at in [item.starts_at for item in open_ones]
            assert element.ends_at in [item.ends_at for item in open_ones]


@given(wanted=PLACEMENTS)
def test_there_is_one_element_for_each_role_held(wanted: list[WantedPlacement]) -> None:
    """I4."""
    roles = [element.role for element in merged("7", "3", wanted)]
    open_roles = {item.role for item in wanted if not item.suspended} or {item.role for item in wanted}

    assert roles == sorted(open_roles)
