"""
How a simulated portal reads requests: routing, decoding, who may call.
"""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.talentlms import API_KEY, Settings, TalentSite, basic, talent_site
from simulators.talentlms.arguments import arguments
from simulators.wire import Request
from tests.unit.simulators.talent_calling import FORM, PERSON, get, said, send, sign_up


@pytest.fixture
def site() -> TalentSite:
    return talent_site(courses=1, users=[{"login": "ann", "email": "ann+lms@example.org"}])


@pytest.mark.parametrize(
    "target",
    [
        "users/id:2",
        "USERS/id:2",
        "users/id:2/",
        "users?id=2",
        "users/?id=2",
        "users/username:ann",
        "users?email=ann%2Blms%40example.org",
        "users/email:ann%2Blms@example.org",
        "users/page_size:5,id:2",
    ],
)
def test_a_person_is_found_whatever_way_the_argument_takes(site: TalentSite, target: str) -> None:
    assert get(site, target)["login"] == "ann"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_the_method_does_not_matter(site: TalentSite, method: str) -> None:
    assert json.loads(send(site, "users", "email=ann%2Blms%40example.org", method=method).body)["id"] == "2"


def test_a_form_may_begin_with_an_ampersand(site: TalentSite) -> None:
    assert json.loads(send(site, "users", "&id=2").body)["login"] == "ann"


def test_a_form_may_come_in_parts(site: TalentSite) -> None:
    parts = '--B\r\nContent-Disposition: form-data; name="id"\r\n\r\n2\r\n--B--\r\n'
    assert json.loads(send(site, "users", parts, kind="multipart/form-data; boundary=B").body)["login"] == "ann"


@pytest.mark.parametrize("target", ["users/email:ann+lms@example.org", "users/email:ann%2Blms%40example.org"])
def test_a_plus_sign_and_an_encoded_at_sign_in_the_path_miss_an_address_that_is_there(
    site: TalentSite, target: str
) -> None:
    assert said(get(site, target)) == "The requested user does not exist"


def test_portals_that_read_paths_literally_are_a_setting(site: TalentSite) -> None:
    site.settings = Settings(plus_is_space=False, encoded_at_misses=False)
    assert get(site, "users/email:ann+lms@example.org")["id"] == "2"
    assert get(site, "users/email:ann%2Blms%40example.org")["id"] == "2"


@pytest.mark.parametrize(
    "target",
    ["users/id%3A2", "usersetstatus/user_id%3A2%2Cstatus%3Aactive", "users/2", "users//id:2", "users/id:2/more:3"],
)
def test_a_malformed_path_is_a_page_and_never_a_missing_user(site: TalentSite, target: str) -> None:
    response = send(site, target)
    assert response.status == 404
    assert response.headers["Content-Type"].startswith("text/html")


def test_json_makes_a_user_only_where_json_is_read(site: TalentSite) -> None:
    body, kind = json.dumps({**PERSON, "login": "bea"}), "application/json; charset=utf-8"
    assert isinstance(json.loads(send(site, "users", body, kind=kind).body), list)
    assert send(site, "deleteuser", '{"user_id": 2}', kind=kind).status == 400
    assert json.loads(send(site, "usersignup", body, kind=kind).body)["login"] == "bea"
    assert json.loads(send(site, "addusertocourse", '{"user_id": 3, "course_id": 1}', kind=kind).body)
    assert [effect["kind"] for effect in site.ledger.effects()] == ["user created", "enrolled"]


def test_an_argument_that_is_not_understood_gives_everybody(site: TalentSite) -> None:
    assert [row["login"] for row in get(site, "users/mail:ann@example.org")] == ["admin", "ann"]


def test_an_unknown_action_is_told_from_one_that_is_only_not_simulated(site: TalentSite) -> None:
    assert said(get(site, "is_user_online/")) == "The requested API action does not exist"
    assert send(site, "buycourse").status == 501


@pytest.mark.parametrize(
    ("header", "status", "kind"),
    [
        ("", 401, "text/html"),
        ("Bearer abc", 401, "text/html"),
        (basic("wrong"), 401, "application/json"),
        ("Basic " + basic(API_KEY)[6:].rstrip("=")[:-1], 401, "text/html"),
    ],
)
def test_no_credentials_are_a_page_and_wrong_ones_are_json(
    site: TalentSite, header: str, status: int, kind: str
) -> None:
    response = site(Request("GET", "/api/v1/users", "", {"Authorization": header}))
    assert response.status == status
    assert response.headers["Content-Type"].startswith(kind)


def test_an_api_that_is_off_is_told_from_a_bad_key(site: TalentSite) -> None:
    """R117"""
    site.settings = Settings(api=False)
    assert send(site, "users").status == 403
    assert send(site, "users", key="wrong").status == 401


def test_answers_escape_slashes_as_php_does(site: TalentSite) -> None:
    assert b"https:\\/\\/example.talentlms.com\\/" in send(site, "users/id:2").body


@given(st.dictionaries(st.sampled_from(["email", "login", "first_name"]), st.text(max_size=30)))
def test_what_a_careful_client_sends_arrives_by_every_way(sent: dict[str, str]) -> None:
    """A client that encodes all but letters, digits and - . _ @ loses nothing."""
    path = ",".join(f"{name}:{quote(value, safe='@')}" for name, value in sent.items())
    by_path = Request("GET", f"/api/v1/users/{path}")
    by_query = Request("GET", "/api/v1/users", urlencode(sent))
    by_form = Request("POST", "/api/v1/users", "", {"Content-Type": FORM}, urlencode(sent).encode())
    assert [arguments(way, Settings()) for way in (by_path, by_query, by_form)] == [sent] * 3


def test_calls_are_logged_without_values_and_the_key(site: TalentSite) -> None:
    """I10"""
    sign_up(site, "canary", password="Canary0pass")
    send(site, "canaryaction/email:canary@example.org")
    logged = json.dumps(site.ledger.calls())
    assert [entry["function"] for entry in site.ledger.calls()] == ["usersignup", "unknown"]
    assert "canary" not in logged.lower()
    assert API_KEY not in logged
    assert "Canary0pass" not in json.dumps(site.ledger.effects())
