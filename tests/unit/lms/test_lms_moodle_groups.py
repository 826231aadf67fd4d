"""How people get into groups of Moodle courses: what is asked, how often, and whom a refusal costs."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from domain.errors import HoldIntegration, LmsUnavailable, NeedsAttention, ProvisioningError, UnknownOutcome
from domain.lms import Done, Failed, Membership, Outcome
from lms.moodle_answers import GroupRecord
from lms.moodle_failures import SITE_INFO, failure_of
from lms.moodle_groups import ADD_MEMBERS, GET_GROUPS, joined

GROUPS = {
    "2": [GroupRecord(id=10, idnumber="NIGHT"), GroupRecord(id=11, idnumber="")],
    "3": [GroupRecord(id=12, idnumber="NIGHT")],
}
Rule = Callable[[dict[str, str]], ProvisioningError | None]


def good(_fields: dict[str, str]) -> None:
    return None


class Site:
    """Answers by course; a function fails by its rule."""

    def __init__(self, **rules: Rule) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._rules = rules

    def ask(self, function: str, fields: dict[str, str], _shape: Any, _items: int = 1) -> Any:
        self.asked.append((function, fields))
        failure = self._rules.get(function, good)(fields)
        if failure is not None:
            raise failure
        return GROUPS[fields["courseid"]] if function == GET_GROUPS else None

    def calls(self) -> Counter[str]:
        return Counter(function for function, _ in self.asked)


def refusing(function: str, errorcode: str) -> Rule:
    return lambda _fields: failure_of(function, errorcode)


def refusing_user(user_id: str, errorcode: str) -> Rule:
    return lambda fields: failure_of(ADD_MEMBERS, errorcode) if user_id in fields.values() else None


def night(*user_ids: str, course: str = "2") -> list[Membership]:
    return [Membership(user_id, course, "NIGHT") for user_id in user_ids]


def told(outcomes: Sequence[Outcome[None]]) -> list[tuple[type[ProvisioningError], str] | str]:
    return [(type(o.failure), o.failure.code) if isinstance(o, Failed) else "done" for o in outcomes]


def test_many_memberships_cost_a_call_per_course_and_one_per_hundred() -> None:
    site = Site()
    some = night(*map(str, range(1, 151))) + night("7", course="3")
    assert joined(site.ask, some) == [Done(None)] * 151
    assert site.calls() == {GET_GROUPS: 2, ADD_MEMBERS: 2}


def test_groups_of_one_key_in_two_courses_are_told_apart() -> None:
    """Contract, section 5: id numbers are unique in their course only."""
    site = Site()
    joined(site.ask, night("8") + night("7", course="3"))
    assert site.asked[-1][1] == {
        "members[0][groupid]": "12",
        "members[0][userid]": "7",
        "members[1][groupid]": "10",
        "members[1][userid]": "8",
    }


def test_a_group_without_a_key_is_nobodys() -> None:
    site = Site()
    assert told(joined(site.ask, [Membership("7", "2", "")])) == [(NeedsAttention, "group_unknown")]
    assert site.calls() == {GET_GROUPS: 1}


def test_somebody_who_is_not_enrolled_costs_nobody_else_the_group() -> None:
    """D24: one transaction, so it is split."""
    site = Site(**{ADD_MEMBERS: refusing_user("7", "invalidparameter")})
    outcomes = told(joined(site.ask, night("5", "6", "7", "8")))
    assert outcomes == ["done", "done", (NeedsAttention, "not_in_course"), "done"]


def test_a_group_that_went_away_meanwhile_is_unknown() -> None:
    site = Site(**{ADD_MEMBERS: refusing(ADD_MEMBERS, "invalidrecord")})
    assert told(joined(site.ask, night("7"))) == [(NeedsAttention, "group_unknown")]


@pytest.mark.parametrize("function", [GET_GROUPS, ADD_MEMBERS])
@pytest.mark.parametrize("errorcode", ["accessexception", "nopermissions"])
def test_a_service_without_group_functions_holds_up_groups_only(function: str, errorcode: str) -> None:
    """R131: asked once, not member by member, and the site is not blamed."""
    site = Site(**{function: refusing(function, errorcode)})
    outcomes = told(joined(site.ask, night("5", "6", "7", "8")))
    assert outcomes == [(NeedsAttention, "groups_refused")] * 4
    assert site.calls()[function] == site.calls()[SITE_INFO] == 1


def test_a_token_that_is_refused_everything_holds_the_site() -> None:
    """E1: told from a missing function by asking what every token may ask."""
    refused = {function: refusing(function, "accessexception") for function in (ADD_MEMBERS, SITE_INFO)}
    site = Site(**refused)
    assert told(joined(site.ask, night("5", "6"))) == [(HoldIntegration, "access_refused")] * 2


def test_after_a_refused_token_nothing_is_sent() -> None:
    """E1."""
    site = Site(**{GET_GROUPS: refusing(GET_GROUPS, "invalidtoken")})
    outcomes = joined(site.ask, [*night("5"), *night("6", course="3"), Membership("x", "2", "NIGHT")])
    assert told(outcomes) == [(HoldIntegration, "token_refused")] * 2 + [(NeedsAttention, "lms_id_invalid")]
    assert site.calls() == {GET_GROUPS: 1}


def test_a_closed_course_costs_its_own_people_only() -> None:
    site = Site(**{GET_GROUPS: lambda f: failure_of(GET_GROUPS, "requireloginerror") if f["courseid"] == "2" else None})
    outcomes = told(joined(site.ask, night("5") + night("6", course="3")))
    assert outcomes == [(NeedsAttention, "course_not_accessible"), "done"]


def test_an_unanswered_call_is_in_doubt_and_ends_the_sending() -> None:
    """D5: those not sent are not in doubt."""
    site = Site(**{ADD_MEMBERS: lambda _fields: UnknownOutcome("lms_no_answer")})
    outcomes = told(joined(site.ask, night(*map(str, range(1, 102)))))
    assert outcomes == [(UnknownOutcome, "lms_no_answer")] * 100 + [(LmsUnavailable, "lms_no_answer")]


def test_no_failure_drags_another_along() -> None:
    """S5: what is chained is printed with it."""
    site = Site(**{ADD_MEMBERS: refusing(ADD_MEMBERS, "nopermissions")})
    [outcome] = joined(site.ask, night("5"))
    assert isinstance(outcome, Failed)
    assert outcome.failure.__context__ is None
