"""The way into the API, lists, requests that come twice, people and evidence; S1, S2, S4, S13, S16, S19."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from db.pool import Pool, transaction
from db.replays import Selection
from domain.audit_chain import Sealed, follow
from domain.permissions import PERMISSIONS, ROLES, Role
from ops import replays
from ops.api.app import PREFIX, ROUTES, document
from ops.api.guard import PERMISSION, Guarded
from runtime.settings import Settings
from tests.support.api import Api, serving, the_app
from tests.support.builders import TENANT, enrolled, hired, hires, terminated
from tests.support.database import dumped
from tests.support.operators import BY
from tests.support.workbench import KEYS, Workbench, academy

SETTINGS = Settings("", "amqp://127.0.0.1:9/", KEYS, allow_private_lms=True)
OTHER = "zenith"

DOCUMENT: Any = document(the_app())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path.removeprefix(PREFIX), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
ACTS = {name: found for name, found in OPERATIONS.items() if found[0] != "GET"}


NOBODYS: dict[str, object] = {
    "integration_id": 99,
    "guard_id": 99,
    "group_id": 99,
    "replay_id": 99,
    "key": "nobody",
    "lms_field": "x",
}


def filled(path: str, **ids: object) -> str:
    return path.format_map(NOBODYS | ids)


@pytest.fixture
def bench(pool: Pool) -> Workbench:
    found = Workbench(pool, academy())
    found.done(hired(), enrolled())
    return found


@pytest.fixture
def api(bench: Workbench, database_url: str) -> Iterator[Api]:
    with serving(bench.pool, database_url, SETTINGS) as served:
        yield served


# The way in


def test_every_route_has_a_permission_of_the_table() -> None:
    """S2: default deny. The health check is the one route that asks for nothing and tells nothing."""
    routes = [route for module in ROUTES for route in module.routes.routes]

    assert {type(route) for route in routes} == {Guarded}
    assert len(routes) == len(OPERATIONS)
    assert [name for name, (_, _, operation) in OPERATIONS.items() if operation[PERMISSION] not in PERMISSIONS] == []


def test_a_route_without_a_permission_cannot_be_declared() -> None:
    with pytest.raises(TypeError, match="permission"):
        Guarded("/open", lambda: None, methods=["GET"])


def test_nothing_changes_on_get() -> None:
    """S3: what a link can do is to show."""
    looking = {"read", "preview"}
    assert {o[PERMISSION].rpartition(":")[2] for m, _, o in OPERATIONS.values() if m == "GET"} <= looking
    assert {m for m, _, _ in OPERATIONS.values()} == {"GET", "POST", "PUT"}


@pytest.mark.parametrize("token", ["", "x", "lms_0123456789ab_" + "A" * 43])
def test_without_a_token_every_route_answers_401(api: Api, token: str) -> None:
    """S1"""
    nobody = api.nobody()
    nobody.token = token
    for method, path, _ in OPERATIONS.values():
        answer = nobody.send(method, filled(path), {} if method != "GET" else None)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated"), path
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", ROLES)
def test_each_role_passes_where_the_table_says_so_and_nowhere_else(api: Api, role: Role) -> None:
    """S2: role by route; a viewer gets 403 on every act."""
    caller = api.as_(role)
    for name, (method, path, operation) in OPERATIONS.items():
        answer = caller.send(method, filled(path), {} if method != "GET" else None)
        allowed = role in PERMISSIONS[operation[PERMISSION]]
        assert (answer.status_code == 403) is not allowed, (name, answer.text)
        assert answer.status_code != 401
        assert answer.status_code < 500 or answer.status_code == 502, (name, answer.text)  # the LMS is not there


def test_a_token_is_good_for_its_scopes_only(api: Api) -> None:
    """S4"""
    caller = api.as_("admin", scopes=["access:self:read", "guards:guard:read"])
    may = caller.get("/me")["permissions"]

    assert {name for name, allowed in may.items() if allowed} == {"access:self:read", "guards:guard:read"}
    assert caller.send("GET", "/integrations").status_code == 403


# Tenants


def test_ids_of_another_tenant_are_not_found(api: Api, bench: Workbench, pool: Pool) -> None:
    """S2, S13: whatever id is put anywhere, it is as if there were nothing."""
    theirs = belongings(pool, bench)
    stranger = api.as_("admin", tenant=OTHER)
    for name, (method, path, _) in OPERATIONS.items():
        if "{" not in path and name not in BODIES:
            continue
        body = BODIES.get(name, {"reason": "curious"}) if method != "GET" else None
        answer = stranger.send(method, path.format_map(theirs) + QUERIES.get(name, ""), json.loads(json.dumps(body)))
        assert (answer.status_code, answer.json().get("code")) == (404, "not_found"), (name, answer.text)


def test_lists_hold_nothing_of_another_tenant(api: Api, bench: Workbench, pool: Pool) -> None:
    belongings(pool, bench)
    stranger = api.as_("admin", tenant=OTHER)
    for name, (method, path, _) in OPERATIONS.items():
        if method == "GET" and "{" not in path:
            text = stranger.send(method, path).text
            assert not any(word in text for word in (TENANT, "E-1", "Acme Moodle", "EN-1")), (name, text)


QUERIES = {"version_diff": "?old=1"}
BODIES: dict[str, Any] = {
    "integration_edit": {"settings": {}, "reason": "curious"},
    "integration_token": {"token": "x"},
    "integration_webhook_secret": {"secret": "x"},
    "version_revert": {"version": 1, "reason": "curious"},
    "integration_select": {"payrolls": ["NL-02"], "select": True},
    "field_map": {"source": "status", "reason": "curious"},
    "link_set": {"integration_id": 1, "employee_key": "E-1", "lms_user_id": "4", "reason": "curious"},
    "link_unset": {"integration_id": 1, "employee_key": "E-1", "reason": "curious"},
    "enrolment_export": {"keys": ["EN-1"], "box": True},
    "integration_outcomes": {"added": {"X": "x"}, "reason": "curious"},
    "people_override": {"fields": {"last_name": "x"}, "reason": "curious"},
    "group_snooze": {"until": "2150-01-01T00:00:00Z"},
    "group_assign": {"to": "me"},
    "group_note": {"text": "hello"},
    "failure_dismiss": {"ids": [1], "reason": "curious"},
    "failure_restore": {"ids": [1]},
    "replay_preview": {"ids": [1]},
    "replay_create": {"ids": [1]},
    "enrolment_reprovision": {"integration_id": 1, "reason": "curious"},
}


def belongings(pool: Pool, bench: Workbench) -> dict[str, object]:
    """Something of the first company wherever a path names something; keys stand for people, enrolments, tokens."""
    bench.choose(guard={"share": "0.02", "at_least": 1})
    bench.done(*hires(4))
    bench.done(*(terminated(key, at=9) for key in ("E-2", "E-3")))
    bench.done(enrolled("EN-9", "E-1", "C-NONE"))
    [group_id] = bench.column("select group_id from failure_group where code = 'course_not_found'")
    [failure_id] = bench.column("select failure_id from failure where code = 'course_not_found'")
    row = replays.create(pool, SETTINGS, TENANT, Selection(ids=(failure_id,)), BY).replay
    return {
        "integration_id": bench.integration_id,
        "guard_id": bench.column("select guard_id from guard")[0],
        "group_id": group_id,
        "replay_id": row.replay_id,
        "key": "E-1",
        "lms_field": "x",
    }


# Lists


def test_a_list_is_read_page_by_page(api: Api, bench: Workbench) -> None:
    bench.done(*hires(7))
    caller = api.as_("viewer")
    seen, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        found = caller.get("/people", limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [one["employee_key"] for one in found["items"]]
        cursor, pages = found["next"], pages + 1

    assert seen == sorted(set(seen))
    assert (len(seen), pages) == (7, 3)


PAGED = [
    "/integrations",
    "/links?state=linked",
    "/enrolments",
    "/audit",
    "/operators",
    "/tokens",
    "/people/E-1/timeline",
]


@pytest.mark.parametrize("path", PAGED)
def test_pages_join_without_gap_or_repeat(api: Api, bench: Workbench, path: str) -> None:
    bench.done(*(enrolled(f"EN-{n}", f"E-{n}") for n in range(2, 5)), *hires(4))
    caller = api.as_("admin")
    joined, cursor = [], None
    while True:
        found = caller.get(path, limit=1, **({"cursor": cursor} if cursor else {}))
        joined += found["items"]
        cursor = found["next"]
        if cursor is None:
            break
    whole = caller.get(path, limit=200)["items"]

    assert [without_use(item) for item in joined] == [without_use(item) for item in whole]
    assert whole


def without_use(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "last_used_at"}


def test_an_answer_that_is_known_is_not_sent_again(api: Api, bench: Workbench) -> None:
    caller = api.as_("viewer")
    first = caller.send("GET", "/people")
    again = caller.send("GET", "/people", headers={"if-none-match": first.headers["etag"]})
    bench.done(hired("E-9"))
    changed = caller.send("GET", "/people", headers={"if-none-match": first.headers["etag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert changed.status_code == 200


# Once


PAUSE = "/integrations/{}/pause"


def test_a_request_with_a_key_is_done_once(api: Api, bench: Workbench) -> None:
    caller, path = api.as_("operator"), PAUSE.format(bench.integration_id)
    with_key = {"headers": {"idempotency-key": "k1"}}
    first = caller.send("POST", path, {"reason": "maintenance"}, **with_key)
    again = caller.send("POST", path, {"reason": "maintenance"}, **with_key)

    assert first.json()["changed"] is True
    assert again.json() == first.json(), "without the key it would be false the second time"
    assert again.headers["idempotent-replayed"] == "true"
    assert bench.column("select count(*) from audit where action like '%%:pause'") == [1]


def test_a_key_is_not_taken_for_another_request(api: Api, bench: Workbench) -> None:
    caller, path = api.as_("operator"), PAUSE.format(bench.integration_id)
    caller.send("POST", path, {"reason": "maintenance"}, headers={"idempotency-key": "k1"})
    other = caller.send("POST", path, {"reason": "another"}, headers={"idempotency-key": "k1"})

    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_request_under_way_is_not_begun_again(api: Api, bench: Workbench) -> None:
    caller, path = api.as_("operator"), PAUSE.format(bench.integration_id)
    caller.send("POST", path, {"reason": "maintenance"}, headers={"idempotency-key": "k1"})
    bench.run("update idempotent set status = null, body = null")
    waiting = caller.send("POST", path, {"reason": "maintenance"}, headers={"idempotency-key": "k1"})
    bench.run("update idempotent set begun_at = now() - interval '3 minutes'")
    taken_over = caller.send("POST", path, {"reason": "maintenance"}, headers={"idempotency-key": "k1"})

    assert (waiting.status_code, waiting.json()["code"]) == (409, "request_under_way")
    assert taken_over.json()["changed"] is False, "whoever began it died after the act, before the answer"


def test_what_failed_may_be_tried_again_with_the_same_key(api: Api, bench: Workbench) -> None:
    bench.run("update integration set state = 'draft'")
    caller, path = api.as_("operator"), PAUSE.format(bench.integration_id)
    refused = caller.send("POST", path, {"reason": "maintenance"}, headers={"idempotency-key": "k1"})
    bench.run("update integration set state = 'active'")
    done = caller.send("POST", path, {"reason": "maintenance"}, headers={"idempotency-key": "k1"})

    assert (refused.status_code, done.status_code) == (409, 200)


def test_a_new_token_is_shown_once_even_with_a_key(api: Api, pool: Pool) -> None:
    """S4: the answer holds a secret, so it is not kept."""
    caller = api.as_("admin")
    body = {"operator": "admin", "name": "feed", "scopes": ["events:event:publish"], "days": 7}
    made = caller.send("POST", "/tokens", body, headers={"idempotency-key": "k1"})
    again = caller.send("POST", "/tokens", body, headers={"idempotency-key": "k1"})

    assert made.status_code == 201
    assert (again.status_code, again.json()["code"]) == (409, "done_already")
    assert made.json()["token"].split("_", 2)[2] not in dumped(pool)


@pytest.mark.parametrize("key", ["", "x" * 256, "naïve"])
def test_a_key_of_no_use_is_refused(api: Api, bench: Workbench, key: str) -> None:
    answer = api.as_("operator").send(
        "POST", PAUSE.format(bench.integration_id), {"reason": "x"}, headers={"idempotency-key": key.encode()}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_idempotency_key")


def test_a_dry_run_changes_nothing(api: Api, bench: Workbench) -> None:
    caller = api.as_("operator")
    tried = caller.send("POST", PAUSE.format(bench.integration_id) + "?dry_run=true", {})

    assert tried.json()["changed"] is True
    assert bench.integration().state == "active"
    assert bench.column("select count(*) from audit where action like '%%:pause'") == [0]


# People


def test_a_person_is_masked_until_somebody_who_may_asks_and_is_on_record(api: Api, bench: Workbench) -> None:
    """S16, S19: the read-audit of what is personal."""
    support = api.as_("support")
    masked, shown = support.get("/people/E-1"), support.get("/people/E-1", unmask=True)

    assert "Meer" not in str(masked)
    assert shown["person"]["name"] == "Noor Meer1"
    assert bench.column("select actor || ' ' || target from audit where action = 'people:pii:read'") == [
        "support person/E-1"
    ]
    assert api.as_("viewer").send("GET", "/people/E-1?unmask=true").status_code == 403


@pytest.mark.parametrize(
    "mark",
    [
        "key=E-1",
        "lms_user_id=4",
        f"email_sha256={hashlib.sha256(b'noor1@example.org').hexdigest()}",
    ],
)
def test_people_are_found_by_one_exact_mark(api: Api, bench: Workbench, mark: str) -> None:
    bench.done(hired("E-2"))
    caller = api.as_("viewer")

    assert caller.get(f"/people?{mark}")["items"] == [{"employee_key": "E-1"}]
    assert caller.get("/people?key=Noor")["items"] == []


# Evidence


def test_the_audit_can_be_taken_out_and_proven_elsewhere(api: Api, bench: Workbench) -> None:
    """S19: the export has all that the hashes cover; that it was taken is on record."""
    auditor = api.as_("auditor")
    lines = [json.loads(line) for line in auditor.send("POST", "/audit/export").text.splitlines()]
    chain = [
        Sealed(one["number"], one["content"], bytes.fromhex(one["previous"]), bytes.fromhex(one["hash"]))
        for one in lines
    ]

    assert follow(chain)[1] is None
    [whole] = auditor.post("/audit/verify")["chains"]
    assert whole["broken_at"] is None
    kept = [f"{TENANT}:{whole['entries']}:{hash_}" for hash_ in (whole["head"], "00" * 32)]
    assert [auditor.post("/audit/verify", {"heads": [one]})["lost"] for one in kept] == [[], [TENANT]]
    assert auditor.get("/audit", action="audit:entry:export")["items"][0]["actor"] == "auditor"
    with transaction(bench.pool) as db:
        db.execute("update audit set actor = 'nobody' where number = 2")
    assert auditor.post("/audit/verify")["chains"][0]["broken_at"] == 2


def test_all_roles_are_known_to_the_document() -> None:
    assert DOCUMENT["components"]["schemas"]["NewOperator"]["properties"]["role"]["enum"] == list(get_args(Role))
