"""Results over HTTP: files for other programs, one enrolment in full, counts, and the comparison with the LMS."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from db.pool import Pool
from ops.api.routes import results
from simulators.server import serve
from tests.integration.test_api import SETTINGS
from tests.support.api import Api, serving
from tests.support.builders import MOODLE, enrolled, hired
from tests.support.workbench import Workbench, academy

FORMULA = "=1+1"


@pytest.fixture
def bench(pool: Pool) -> Iterator[Workbench]:
    site = academy()
    with serve(site) as url:
        made = Workbench(pool, site, url=url)
        made.done(hired(), enrolled())
        yield made


@pytest.fixture
def api(bench: Workbench, database_url: str) -> Iterator[Api]:
    with serving(bench.pool, database_url, SETTINGS) as served:
        yield served


def passed(bench: Workbench, count: int, key: str = "EN-1") -> None:
    """So many results, the first of this enrolment."""
    bench.run(
        "insert into result (result_id, tenant, integration_id, enrolment_key, employee_key, course_code, outcome,"
        " passed, synced_at, attempted_on, evidence, event_id)"
        " select 'r' || n, 'acme', 1, case n when 1 then %(key)s else 'X-' || n end, 'E-1', 'C-FIRE', 'C', true, now(),"
        " '2026-03-02', '{}', 'e' || n from generate_series(1, %(count)s) n",
        key=key,
        count=count,
    )


def test_a_file_is_taken_out_safe_for_a_spreadsheet_and_on_record(api: Api, bench: Workbench) -> None:
    """S10, S19"""
    passed(bench, 1, FORMULA)
    answer = api.as_("support").send("POST", "/results/export", {"reason": "for the works council"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="results.csv"'
    [line] = csv.DictReader(io.StringIO(answer.text))
    assert line["enrolment_key"] == f"'{FORMULA}"
    [on_record] = bench.rows("select actor, target, after, reason from audit where action = 'results:result:export'")
    assert on_record == {
        "actor": "support",
        "target": "results/csv",
        "after": {"results": 1},
        "reason": "for the works council",
    }


def test_json_and_xlsx_hold_the_same_rows(api: Api, bench: Workbench) -> None:
    passed(bench, 3)
    caller = api.as_("support")
    as_json = caller.send("POST", "/results/export", {"format": "json", "course": "C-FIRE"})
    as_xlsx = caller.send("POST", "/results/export", {"format": "xlsx"})

    assert sorted(row["enrolment_key"] for row in as_json.json()) == ["EN-1", "X-2", "X-3"]
    assert zipfile.ZipFile(io.BytesIO(as_xlsx.content)).testzip() is None
    assert caller.send("POST", "/results/export", {"format": "json", "course": "none"}).json() == []


def test_ten_thousand_are_taken_out_and_too_many_are_refused(
    api: Api, bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S20: nothing is handed out by halves, and nothing is on record as taken out that was not."""
    passed(bench, 10_000)
    caller = api.as_("support")
    assert len(caller.send("POST", "/results/export", {}).text.splitlines()) == 10_001

    monkeypatch.setattr(results, "MOST_EXPORTED", 9_999)
    refused = caller.send("POST", "/results/export", {})
    assert refused.status_code == 409
    assert "choose fewer" in refused.json()["detail"]
    assert bench.column("select outcome from audit where action = 'results:result:export' order by audit_id") == [
        "done",
        "refused",
    ]


def test_one_enrolments_results_are_shown_in_full(api: Api, bench: Workbench) -> None:
    passed(bench, 1)
    found = api.as_("viewer").get("/enrolments/EN-1/results")
    assert [one["outcome"] for one in found["results"]] == ["C"]
    assert api.as_("viewer").send("GET", "/enrolments/EN-7/results").status_code == 404


def test_results_are_counted_where_the_client_has_that_report(api: Api, bench: Workbench) -> None:
    """R10"""
    passed(bench, 3)
    viewer = api.as_("viewer")
    refused = viewer.send("GET", "/results/report")
    assert (refused.status_code, refused.json()["code"]) == (409, "refused")

    bench.choose(features=["result_report"])
    [line] = viewer.get("/results/report", by="course")["items"]
    assert (line["counted"], line["results"], line["passed"]) == ("C-FIRE", 3, 3)


def test_the_lms_is_held_against_results_and_what_hr_was_told(api: Api, bench: Workbench) -> None:
    found: dict[str, Any] = api.as_("auditor").post("/results/reconcile", {"employee_key": "E-1"})
    assert (found["looked_at"], found["left_out"]) == (1, 0)
    assert api.as_("viewer").send("POST", "/results/reconcile", {}).status_code == 403
    bench.run("update integration set state = 'paused'")
    refused = api.as_("auditor").send("POST", "/results/reconcile", {"integration": MOODLE})
    assert refused.status_code == 409, json.dumps(refused.json())
