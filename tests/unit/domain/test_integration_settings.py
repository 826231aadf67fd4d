"""An integration's settings: one value, refused as a whole with the field's name."""

import json
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from domain.integration import IntegrationSettings
from tests.unit.domain.values import integration

SMALLEST = {
    "name": "Acme Moodle",
    "url": "https://academy.example.org",
    "results": {"pass_outcome": "C", "fail_outcome": "NYC"},
}


def problem(**chosen: Any) -> tuple[str, str]:
    """Where and what the one complaint is."""
    with pytest.raises(ValidationError) as caught:
        IntegrationSettings.model_validate(SMALLEST | chosen)
    (error,) = caught.value.errors()
    return ".".join(map(str, error["loc"])), error["msg"]


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in SMALLEST.items() if key != name}


@pytest.mark.parametrize("name", SMALLEST)
def test_what_is_mandatory_is_missed_by_name(name: str) -> None:
    """R16, R22, R24."""
    with pytest.raises(ValidationError, match=f"(?m)^{name}$"):
        IntegrationSettings.model_validate(without(name))


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"url": ""}, "url"),
        ({"lms": "blackboard"}, "lms"),
        ({"payrolls": "some"}, "payrolls"),
        ({"when_out_of_scope": "delete"}, "when_out_of_scope"),
        ({"people": {"username": "shoe_size"}}, "people.username"),
        ({"people": {"email_choice": 4}}, "people.email_choice"),
        ({"people": {"match_by": ["name"]}}, "people.match_by.0"),
        ({"people": {"identity": "e-mail"}}, "people.identity"),
        ({"results": {"pass_outcome": "C"}}, "results.fail_outcome"),
        ({"results": {"pass_outcome": "", "fail_outcome": "NYC"}}, "results.pass_outcome"),
        ({"results": SMALLEST["results"] | {"every_s": 0}}, "results.every_s"),  # type: ignore[operator]
        ({"results": SMALLEST["results"] | {"pass_grade": "NaN"}}, "results.pass_grade"),  # type: ignore[operator]
        ({"results": SMALLEST["results"] | {"outcomes": [{"label": "x"}]}}, "results.outcomes.0.code"),  # type: ignore[operator]
    ],
)
def test_a_wrong_value_is_refused_under_its_field(chosen: dict[str, Any], field: str) -> None:
    """R24, R25, R164, R166, R173."""
    assert problem(**chosen)[0] == field


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({"payroll": "all"}, "payroll"),
        ({"token": "canary"}, "token"),
        ({"people": {"user_name": "email"}}, "people.user_name"),
        ({"results": SMALLEST["results"] | {"pass": "C"}}, "results.pass"),  # type: ignore[operator]
    ],
)
def test_an_unknown_key_is_refused_and_not_ignored(chosen: dict[str, Any], field: str) -> None:
    """A misspelt switch would silently keep its default."""
    assert problem(**chosen)[0] == field


def test_pass_and_fail_must_differ() -> None:
    """R25."""
    field, says = problem(results={"pass_outcome": "C", "fail_outcome": "C"})

    assert field == "results"
    assert "pass_outcome and fail_outcome" in says


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "CET+1", "", "../etc/passwd", "europe/amsterdam"])
def test_only_a_time_zone_that_exists_is_taken(zone: str) -> None:
    field, says = problem(timezone=zone)

    assert field == "timezone"
    assert "Europe/Amsterdam" in says


@pytest.mark.parametrize(
    "domain", ["", " ", ".", "example", "an@example.org", "hr.example.org.", "hr..org", "-hr.org", "hr ex.org"]
)
def test_made_up_addresses_need_a_mail_domain(domain: str) -> None:
    """R63: HR's own."""
    field, says = problem(people={"no_email": "pseudo", "pseudo_domain": domain})

    assert field == "people"
    assert "pseudo_domain" in says


def test_the_domain_is_not_asked_for_where_nobody_is_made_up() -> None:
    assert IntegrationSettings.model_validate(SMALLEST | {"people": {"no_email": "refuse"}}).people.pseudo_domain == ""


def test_the_defaults_are_the_cautious_ones() -> None:
    """R17, R18, R60, R63, R67, R80: nothing is made up, taken away or sent unless somebody chose it."""
    settings = IntegrationSettings.model_validate(SMALLEST)

    assert (settings.payrolls, settings.when_out_of_scope) == ("all", "leave")
    assert (settings.people.no_email, settings.people.password) == ("refuse", "lms")
    assert (settings.results.attempted_on, settings.results.pass_grade) == ("sync", None)
    assert (settings.results.every_s, settings.zone().key) == (86_400, "UTC")


def test_settings_survive_being_stored_and_read_again() -> None:
    chosen = integration(
        timezone="Europe/Amsterdam",
        people={"match_by": ["email"], "no_email": "pseudo", "pseudo_domain": "hr.example.org"},
        results=SMALLEST["results"] | {"pass_grade": "49.5", "outcomes": [{"code": "C"}]},  # type: ignore[operator]
    )

    again = IntegrationSettings.model_validate(json.loads(chosen.model_dump_json()))

    assert again == chosen
    assert again.results.pass_grade == Decimal("49.5")


def test_settings_hold_no_secret() -> None:
    """R23: the token and the pre-set password are kept apart, sealed."""
    fields = json.dumps(IntegrationSettings.model_json_schema()).lower()

    assert "token" not in fields.replace("the token is kept apart, sealed", "")


def test_a_portal_has_its_own_usual_roles() -> None:
    """R186: also when only one of them is named."""
    portal = SMALLEST | {"lms": "talentlms"}
    chosen = [portal, portal | {"roles": {}}, portal | {"roles": {"tutor": "learner"}}]
    roles = [IntegrationSettings.model_validate(one).roles for one in chosen]
    assert [(one.learner, one.tutor) for one in roles] == [("learner", "instructor")] * 2 + [("learner", "learner")]
    assert IntegrationSettings.model_validate(SMALLEST).roles.learner == "5"


def test_settings_survive_being_stored() -> None:
    for lms in ("moodle", "talentlms"):
        chosen = IntegrationSettings.model_validate(SMALLEST | {"lms": lms})
        assert IntegrationSettings.model_validate(json.loads(chosen.model_dump_json())) == chosen


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ({"people": {"key_field": "custom_field_3"}}, "key_field"),
        ({"lms": "talentlms", "roles": {"learner": "5"}}, "roles"),
        (
            {"lms": "talentlms", "results": {"pass_outcome": "C", "fail_outcome": "NYC", "report": "12"}},
            "results.report",
        ),
        (
            {"lms": "talentlms", "results": {"pass_outcome": "C", "fail_outcome": "NYC", "recent_report": "12"}},
            "results.report",
        ),
    ],
)
def test_what_the_other_lms_has_is_refused(chosen: dict[str, Any], says: str) -> None:
    assert says in problem(**chosen)[1]


@pytest.mark.parametrize("key_field", ["3", "custom_field_", "custom_field_3 ", "employee_number"])
def test_the_keys_field_is_a_custom_field(key_field: str) -> None:
    assert problem(lms="talentlms", people={"key_field": key_field})[0] == "people.key_field"
