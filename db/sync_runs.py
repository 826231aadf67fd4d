"""Runs over everything of one kind, and how the flows stand."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.rows import class_row, tuple_row

from db.pool import Db
from db.statements import statements
from db.store import IntegrationStore
from domain.syncing import SCANNED, SCHEDULE, Flow, Reading, Tally

SQL = statements("sync_runs")


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run as people see it. `expected` is how many people or enrolments there are to read, where that is known."""

    run_id: int
    tenant: str
    integration: str
    flow: Reading
    state: Literal["running", "done", "failed"]
    asked_by: str
    enrolments: bool
    expected: int | None
    created: int
    updated: int
    skipped: int
    failed: int
    reasons: dict[str, int]
    calls: int
    code: str | None
    started_at: datetime
    done_at: datetime | None
    read_at: datetime

    @property
    def counts(self) -> dict[str, int]:
        return {"created": self.created, "updated": self.updated, "skipped": self.skipped, "failed": self.failed}

    @property
    def took(self) -> timedelta:
        """How long it took, or has been taking."""
        return (self.done_at or self.read_at) - self.started_at


@dataclass(frozen=True, slots=True)
class Asked:
    """A run, and whether it was under way already."""

    run_id: int
    flow: Reading
    joined: bool


@dataclass(frozen=True, slots=True)
class FlowState:
    """When a flow last worked, and when and why it last did not."""

    integration_id: int
    flow: Flow
    succeeded_at: datetime | None
    failed_at: datetime | None
    code: str | None


class SyncRuns(IntegrationStore):
    """One integration's runs in one transaction."""

    sql = SQL

    def _runs(self, statement: str, /, **values: Any) -> list[RunRow]:
        with self._db.cursor(row_factory=class_row(RunRow)) as cursor:
            return cursor.execute(SQL[statement], {"integration_id": self._integration_id, **values}).fetchall()

    def ask(self, flow: Reading, *, by: str, again: bool = True, enrolments: bool = False) -> Asked:
        """
        A run of this flow is under way: a new one, or the one that was. One that nobody had asked for begins anew.

        Args:
            again: Have a run over people try again whoever waits for a person; a run that nobody asked for never does,
                because daily retries would only repeat their failures.
            enrolments: Have it write their enrolments again, too.
        """
        begins = SCANNED.get(flow)
        position = begins and begins.model_dump_json()
        values = {"flow": flow, "asked_by": by, "enrolments": enrolments, "position": position}
        started = self._rows("start_run", **values) or self._rows("take_over_run", **values)
        if not started:
            return Asked(self._rows("open_run", flow=flow)[0][0], flow, joined=True)
        run_id = int(started[0][0])
        match flow:
            case "people":
                if again and by != SCHEDULE:
                    self._rows("mark_enrolments", enrolments=enrolments)
                    self._rows("try_again", run_id=run_id)
                self._rows("expect_people", run_id=run_id)
            case "enrolments":
                self._rows("expect_enrolments", run_id=run_id)
            case "courses":
                self._rows("ask_for_courses")
            case "results":
                self._rows("ask_for_results")
        if begins:
            self._rows("wake_scan")
        return Asked(run_id, flow, joined=False)

    def under_way(self, flow: Reading) -> int | None:
        rows = self._rows("open_run", flow=flow)
        return rows[0][0] if rows else None

    def count_off(self, run_id: int, account_ids: Iterable[int]) -> None:
        """These people have been read for the run."""
        self._rows("count_off", run_id=run_id, ids=list(account_ids))

    def add(self, run_id: int, tally: Tally) -> None:
        """Add to the run's counts, unless it is over. Other writers of the run wait until the transaction ends."""
        self._rows(
            "add_to_run",
            run_id=run_id,
            created=tally.created,
            updated=tally.updated,
            skipped=tally.skipped,
            failed=tally.failed,
            calls=tally.calls,
            reasons=json.dumps(tally.reasons),
        )

    def finish(self, run_id: int, code: str | None = None) -> RunRow | None:
        """The run is over: done, or failed under a code. None when it was over, or somebody is still to be read."""
        rows = self._runs("finish_run", run_id=run_id, state="failed" if code else "done", code=code)
        return rows[0] if rows else None

    def empty(self) -> list[int]:
        """Open runs that were scanned to the end and have nobody left to be written."""
        return [row[0] for row in self._rows("empty_runs")]

    def readings_due(self) -> list[Reading]:
        """What the rolling scan is to begin anew."""
        return [row[0] for row in self._rows("readings_due")]

    def results_since(self, run_id: int) -> tuple[int, int]:
        """Results recorded and corrected since the run began."""
        recorded, corrected = self._rows("results_since", run_id=run_id)[0]
        return recorded, corrected

    def rows(self, run_ids: Sequence[int] | None = None, *, before: int | None = None, most: int = 100) -> list[RunRow]:
        """These runs, or the last ones, or those before one; the newest first."""
        return self._runs("runs", run_ids=None if run_ids is None else list(run_ids), before=before, most=most)

    def worked(self, flow: Flow) -> None:
        self._rows("flow_worked", flow=flow)

    def troubled(self, flow: Flow, code: str) -> None:
        """The flow could not do its work; a run of it waits for that to pass."""
        self._rows("flow_failed", flow=flow, code=code)
        self.waits(flow, code)

    def waits(self, flow: Reading, code: str) -> None:
        """An open run waits for this to pass."""
        self._rows("note_trouble", flow=flow, code=code)


def ask_by_name(db: Db, tenant: str, name: str, flows: Iterable[Flow], *, by: str, enrolments: bool) -> list[Asked]:
    """A run of each flow is under way; nothing when the tenant has no integration of this name."""
    found = db.cursor(row_factory=tuple_row).execute(SQL["integration_named"], {"tenant": tenant, "name": name})
    row = found.fetchone()
    if row is None:
        return []
    runs = SyncRuns(db, row[0])
    return [runs.ask(flow, by=by, enrolments=enrolments) for flow in dict.fromkeys(flows)]


def flow_states(db: Db) -> list[FlowState]:
    """How the flows of all integrations stand."""
    with db.cursor(row_factory=class_row(FlowState)) as cursor:
        return cursor.execute(SQL["flow_states"]).fetchall()
