"""Which custom fields a token can really see, on recordings and on the simulated site."""

from dataclasses import replace

import pytest

from domain.errors import HoldIntegration
from domain.lms import Done, LmsField, NewUser
from simulators.moodle import MoodleSite
from simulators.moodle.build import HR_FIELDS, add_profile_fields
from simulators.moodle.state import ProfileField, Settings
from tests.contract.client_replay import gateway_answered_by, recording
from tests.contract.client_sites import TOKEN, MoodleStand

STATUSES = ("Active", "On Leave", "Terminated")
SIGNUP = "auth_email_get_signup_settings"


def sign_up_form(site: MoodleSite, *names: str) -> None:
    """These profile fields are on the sign-up form."""
    shown = (field for field in HR_FIELDS if field.shortname in names)
    add_profile_fields(site, [ProfileField(f.shortname, f.name, f.kind, f.options, signup=True) for f in shown])


def profile(seen: list[LmsField]) -> dict[str, tuple[str, tuple[str, ...] | None]]:
    return {field.shortname: (field.kind, field.options) for field in seen if field.area == "user"}


def test_recorded_sign_up_settings_tell_fields_and_menu_options() -> None:
    """R28: the options stand in param1, one a line (contract, section 3.5)."""
    gateway = gateway_answered_by(
        auth_email_get_signup_settings=recording("4.4/signup_settings_fields"),
        core_course_get_courses=recording("4.4/courses_all"),
    )
    seen = gateway.fields([])
    assert profile(list(seen.fields)) == {"employment_status": ("menu", STATUSES), "hire_date": ("datetime", None)}
    assert {field.area for field in seen.fields} == {"user", "course"}


def test_recorded_courses_tell_their_fields() -> None:
    """R29, R41: type and label of each, unset ones too."""
    gateway = gateway_answered_by(
        auth_email_get_signup_settings=recording("4.4/signup_settings_disabled"),
        core_course_get_courses=recording("4.4/courses_custom_fields_unset"),
    )
    answered = recording("4.4/courses_custom_fields_unset").answer
    expected = {(f["shortname"], f["type"], f["name"]) for course in answered for f in course["customfields"]}
    seen = gateway.fields([])
    assert {(f.shortname, f.kind, f.name) for f in seen.fields if f.area == "course"} == expected
    assert expected


def test_while_self_registration_is_off_discovery_says_that_it_is_partial() -> None:
    """R28: an employee's fields are seen on users, and that menu options are not told is said by name."""
    stand = MoodleStand()
    [made] = stand.gateway.create_users(
        [NewUser("ann", "ann@example.org", "Ann", "Lee", "E-1", custom={"employment_status": "Active"})]
    )
    assert isinstance(made, Done)
    seen = stand.gateway.fields([made.value])
    assert profile(list(seen.fields)) == {"employment_status": ("menu", None), "payroll_enabled": ("checkbox", None)}
    assert any("self-registration by e-mail is off" in gap for gap in seen.gaps)
    assert "the options of Employment Status are not told" in seen.gaps


def test_while_self_registration_is_on_the_sign_up_form_adds_fields_and_options() -> None:
    """R28, R32: what a menu offers is known before anything is sent."""
    stand = MoodleStand(settings=Settings(registration=True))
    sign_up_form(stand.site, "employment_status", "hire_date")
    seen = stand.gateway.fields(["3"])
    assert profile(list(seen.fields)) == {
        "payroll_enabled": ("checkbox", None),
        "employment_status": ("menu", STATUSES),
        "hire_date": ("datetime", None),
    }
    assert not any("are not told" in gap for gap in seen.gaps)


def test_a_service_without_the_sign_up_function_is_discovered_all_the_same() -> None:
    """R43: an optional function that is missing is named, and holds nothing up."""
    stand = MoodleStand()
    token = stand.site.state.tokens[TOKEN]
    stand.site.state.tokens[TOKEN] = replace(token, functions=token.functions - {SIGNUP})
    seen = stand.gateway.fields(["3"])
    assert "payroll_enabled" in profile(list(seen.fields))
    assert any(SIGNUP in gap for gap in seen.gaps)


def test_a_refused_token_is_no_partial_discovery() -> None:
    """E1."""
    stand = MoodleStand()
    stand.revoke_token()
    with pytest.raises(HoldIntegration, match="token_refused"):
        stand.gateway.fields(["3"])


def test_a_user_id_that_is_no_number_is_not_asked_for() -> None:
    stand = MoodleStand()
    assert profile(list(stand.gateway.fields(["nobody"]).fields)) == {}
