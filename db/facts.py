"""Facts and wanted state, read and written for many people at once."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from db.accounts import WorkStore
from db.failure_groups import FailureStore, Problem
from db.failures import translated
from db.pool import Db
from db.statements import statements
from db.store import Store
from db.sync_runs import ask_by_name
from domain.announcements import enrolment_refused
from domain.events import Course, CourseEnrolment, Employee, Event, Freshness, Payroll
from domain.fields import FIELD_CODES, as_seen
from domain.integration import IntegrationSettings
from domain.lms import LmsField
from domain.syncing import Flow
from domain.wanted import AccountState, PersonFacts, PlacementState

SQL = statements("facts")

LOCK_PATIENCE = timedelta(milliseconds=250)
LEAVER, COMMON, SWEPT = range(3)
"""How urgent an account is."""


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A stored event that waits to be applied. One that came without an id was given one (A12)."""

    inbox_id: int
    event_id: str
    body: bytes
    attributes: dict[str, Any] | None
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """How one event ended: applied, superseded, failed, or set aside as unknown."""

    inbox_id: int
    state: str
    code: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IntegrationRow:
    """An integration as far as converging needs it."""

    integration_id: int
    settings: IntegrationSettings
    settings_version: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """People to look at again, after `position`."""

    sweep_id: int
    payroll: str | None
    course_code: str | None
    position: str


class FactStore(Store):
    """One tenant's facts in one transaction."""

    sql = SQL

    def __init__(self, db: Db, tenant: str) -> None:
        super().__init__(db, tenant=tenant)
        self._tenant = tenant

    def lock(self) -> None:
        """Be the only one who applies this tenant's events until the transaction ends."""
        self._db.execute(
            "select set_config('lock_timeout', %s, true)", [str(LOCK_PATIENCE // timedelta(milliseconds=1))]
        )
        self._rows("lock_tenant")
        self._db.execute("select set_config('lock_timeout', '0', true)")

    def due_events(self, most: int) -> list[InboxRow]:
        return [InboxRow(*row) for row in self._rows("due_events", most=most)]

    def known_tenant(self) -> bool:
        return bool(self._rows("known_tenant")[0][0])

    def set_aside_all(self) -> None:
        self._fail_events([(inbox_id, code, "") for inbox_id, code in self._rows("set_aside_unknown_tenant")])

    def settle(self, settled: Sequence[Settled]) -> None:
        self._rows(
            "settle_events",
            ids=[s.inbox_id for s in settled],
            states=[s.state for s in settled],
            codes=[s.code for s in settled],
            details=[s.detail for s in settled],
        )
        self._fail_events([(s.inbox_id, s.code, s.detail) for s in settled if s.code])

    def _fail_events(self, failed: Sequence[tuple[int, str, str]]) -> None:
        """Events that could not be applied become visible."""
        problems = [Problem("inbox", str(inbox_id), code, detail) for inbox_id, code, detail in failed]
        FailureStore(self._db, self._tenant, None).open(problems)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """
        A block whose writes vanish when it raises, leaving the rest of the transaction as it was.

        Raises:
            StoreUnavailable: The store is in trouble, which says nothing about what was written.
        """
        with translated(), self._db.transaction():
            yield

    # Facts

    def person_freshness(self, keys: Iterable[str]) -> dict[str, Freshness]:
        return {key: Freshness(*rest) for key, *rest in self._rows("person_freshness", keys=list(keys))}

    def enrolment_freshness(self, keys: Iterable[str]) -> dict[str, tuple[Freshness, str]]:
        """Freshness and employee key per enrolment."""
        rows = self._rows("enrolment_freshness", keys=list(keys))
        return {key: (Freshness(sequence, at, event_id), employee) for key, sequence, at, event_id, employee in rows}

    def payroll_freshness(self) -> dict[tuple[str, str, str], Freshness]:
        """By payroll, integration name and aspect."""
        return {(a, b, c): Freshness(*rest) for a, b, c, *rest in self._rows("payroll_freshness")}

    def course_freshness(self, keys: Iterable[str]) -> dict[tuple[str, str], Freshness]:
        """By course code and integration name."""
        return {(a, b): Freshness(*rest) for a, b, *rest in self._rows("course_freshness", keys=list(keys))}

    def save_people(self, events: Sequence[Event]) -> None:
        people = [event.fact if isinstance(event.fact, Employee) else None for event in events]
        payrolls = {person.payroll for person in people if person}
        self._rows("filled_payrolls", payrolls=list(payrolls))
        self._rows(
            "save_people",
            keys=[event.fact.key() for event in events],
            data=[person.model_dump_json() if person else "{}" for person in people],
            payrolls=[person.payroll if person else None for person in people],
            erased=[person is None for person in people],
            **_freshness(events),
        )

    def save_enrolments(self, events: Sequence[tuple[Event, CourseEnrolment]]) -> None:
        self._rows(
            "save_enrolments",
            keys=[fact.enrolment_key for _, fact in events],
            employees=[fact.employee_key for _, fact in events],
            courses=[fact.course_code for _, fact in events],
            data=[fact.model_dump_json() for _, fact in events],
            **_freshness([event for event, _ in events]),
        )

    def save_payroll(self, event: Event, fact: Payroll, *, aspect: str, enabled: bool) -> None:
        self._rows(
            "save_payroll",
            payroll=fact.payroll,
            integration=fact.integration or "",
            aspect=aspect,
            enabled=enabled,
            data=fact.model_dump_json(),
            sequence=event.envelope.sequence,
            time=event.envelope.time,
            event_id=event.envelope.id,
        )

    def save_course(self, event: Event, fact: Course) -> None:
        self._rows(
            "save_course",
            course_code=fact.course_code,
            integration=fact.integration or "",
            data=fact.model_dump_json(),
            sequence=event.envelope.sequence,
            time=event.envelope.time,
            event_id=event.envelope.id,
        )
        if fact.lms_course_id:
            self._rows("unpark_linked_course", course_code=fact.course_code, integration=fact.integration or "")

    def request_sync(self, integration: str, flows: Iterable[Flow], *, enrolments: bool = False) -> bool:
        """Have everything of these flows read again; False when there is no integration of this name."""
        return bool(ask_by_name(self._db, self._tenant, integration, flows, by="event", enrolments=enrolments))

    # Sweeps

    def ask_sweep(self, *, payroll: str | None = None, course_code: str | None = None) -> None:
        self._rows("ask_sweep", payroll=payroll, course_code=course_code)

    def due_sweep(self) -> Sweep | None:
        rows = self._rows("due_sweep")
        return Sweep(*rows[0]) if rows else None

    def sweep_people(self, sweep: Sweep, most: int) -> list[str]:
        if sweep.course_code is not None:
            rows = self._rows("sweep_enrolled", course_code=sweep.course_code, position=sweep.position, most=most)
        else:
            rows = self._rows("sweep_people", payroll=sweep.payroll, position=sweep.position, most=most)
        return [key for (key,) in rows]

    def advance_sweep(self, sweep: Sweep, keys: Sequence[str], *, pace: timedelta, done: bool) -> None:
        """These people were looked at; the next chunk is due so much after this one was."""
        position = keys[-1] if keys else sweep.position
        self._rows("advance_sweep", sweep_id=sweep.sweep_id, position=position, people=len(keys), pace=pace, done=done)

    def note_empty_payroll(self, payroll: str, taken_by: Sequence[int]) -> None:
        """Nobody is in this payroll, which is a failure of the integrations that take it and of no other (R72)."""
        self._rows("payroll_not_taken", payroll=payroll, ids=taken_by)
        for integration_id in taken_by:
            empty = Problem("payroll", f"{integration_id}/{payroll}", "payroll_empty", f"payroll {payroll}")
            FailureStore(self._db, self._tenant, integration_id).open([empty])

    # Wanted state

    def people(self, keys: Sequence[str]) -> list[PersonFacts]:
        """All that HR says about these people, in the order given; unknown ones have no employee."""
        known = {key: (data, erased) for key, data, erased in self._rows("people", keys=keys)}
        enrolments: dict[str, list[CourseEnrolment]] = defaultdict(list)
        for key, data in self._rows("enrolments_of", keys=keys):
            enrolments[key].append(CourseEnrolment.model_validate(data))
        return [_person(key, known.get(key), enrolments[key]) for key in keys]

    def enabled_payrolls(self) -> dict[tuple[str, str], bool]:
        return {(payroll, integration): enabled for payroll, integration, enabled in self._rows("enabled_payrolls")}

    def payroll_details(self) -> dict[tuple[str, str], dict[str, Any]]:
        """HR's own fields of each payroll, its name included, by payroll and integration name."""
        return {
            (payroll, integration): {"name": data.get("name")} | (data.get("attributes") or {})
            for payroll, integration, data in self._rows("payroll_details")
        }

    def _settings(self, integration_id: int, settings: Any) -> IntegrationSettings:
        """The settings, their profile fields with the types and options that the LMS was last seen with."""
        chosen = IntegrationSettings.model_validate(settings)
        if not chosen.people.fields:
            return chosen
        rows = self._rows("profile_fields_of", integration_id=integration_id)
        seen = {name: LmsField("user", name, kind, label, opt and tuple(opt)) for name, kind, label, opt in rows}
        people = chosen.people.model_copy(update={"fields": as_seen(chosen.people.fields, seen)})
        return chosen.model_copy(update={"people": people})

    def integrations(self) -> list[IntegrationRow]:
        return [
            IntegrationRow(integration_id, self._settings(integration_id, settings), version)
            for integration_id, settings, version, _ in self._rows("integrations_of")
        ]

    def want_accounts(
        self, integration: IntegrationRow, states: Mapping[str, AccountState], *, swept: bool
    ) -> set[int]:
        """Make these the wanted accounts; the ids of those that changed."""
        wanted = list(states.values())
        changed = self._rows(
            "want_accounts",
            integration_id=integration.integration_id,
            settings_version=integration.settings_version,
            keys=list(states),
            states=[s.state for s in wanted],
            codes=[s.code for s in wanted],
            wanted=[s.wanted.model_dump_json() if s.wanted else None for s in wanted],
            external_keys=[s.wanted.external_key if s.wanted else None for s in wanted],
            email_keys=[s.email_key for s in wanted],
            # Leavers go before everybody else, and those whom a sweep came by after them.
            urgencies=[SWEPT if swept else LEAVER if s.wanted and s.wanted.suspended else COMMON for s in wanted],
        )
        if changed:
            self._rows("resolve_account_failures", ids=[str(row[0]) for row in changed])
        parked = [(row[0], row[2], states[row[3]].detail) for row in changed if row[1] == "parked"]
        parked += _bad_fields({row[0]: states[row[3]] for row in changed})
        problems = [Problem("account", str(account_id), code, detail) for account_id, code, detail in parked]
        lms = integration.settings.lms
        FailureStore(self._db, self._tenant, integration.integration_id, lms=lms).open(problems)
        return {row[0] for row in changed}

    def account_ids(self, integration: IntegrationRow, keys: Sequence[str]) -> dict[str, int]:
        return dict(self._rows("account_ids", integration_id=integration.integration_id, keys=keys))

    def want_placements(self, integration: IntegrationRow, states: Sequence[tuple[int, PlacementState]]) -> set[int]:
        """Make these the wanted placements of the accounts given; the ids of the accounts concerned."""
        changed = self._rows(
            "want_placements",
            integration_id=integration.integration_id,
            account_ids=[account_id for account_id, _ in states],
            keys=[s.enrolment_key for _, s in states],
            course_codes=[s.course_code for _, s in states],
            wanted=[s.wanted.model_dump_json() for _, s in states],
            refusals=[s.refusal for _, s in states],
            not_before=[s.not_before for _, s in states],
            not_after=[s.not_after for _, s in states],
            decisions=[_decision(s, integration.settings_version) for _, s in states],
        )
        if changed:
            self._rows("resolve_placement_failures", ids=[str(row[1]) for row in changed])
            self._announce_refusals(integration, changed, {s.enrolment_key: s for _, s in states})
        return {row[0] for row in changed}

    def _announce_refusals(
        self, integration: IntegrationRow, changed: Sequence[tuple[Any, ...]], states: Mapping[str, PlacementState]
    ) -> None:
        refused = [(states[key], revision) for _, _, key, code, revision in changed if code is not None]
        if not refused:
            return
        name, now = integration.settings.name, self.now()
        announcements = [
            enrolment_refused(state, revision, tenant=self._tenant, integration=name, at=now)
            for state, revision in refused
        ]
        WorkStore(self._db, integration.integration_id).announce(announcements)

    def courses(self, people: Iterable[PersonFacts]) -> dict[tuple[str, str], Course]:
        """HR's word on the courses that these people are enrolled in, by code and integration name."""
        codes = sorted({enrolment.course_code for facts in people for enrolment in facts.enrolments})
        rows = self._rows("courses_of", codes=codes) if codes else []
        return {(code, integration): Course.model_validate(data) for code, integration, data in rows}

    def provisioned(self, integration: IntegrationRow, keys: Sequence[str]) -> set[str]:
        """The enrolments of these people that have been provisioned."""
        rows = self._rows("provisioned_of", integration_id=integration.integration_id, keys=list(keys))
        return {key for (key,) in rows}

    def wake_accounts(self, account_ids: Iterable[int], *, swept: bool) -> None:
        self._rows("wake_accounts", ids=list(account_ids), urgency=SWEPT if swept else COMMON)

    def due_integrations(self, account_ids: Iterable[int]) -> set[int]:
        return {row[0] for row in self._rows("due_integrations", ids=list(account_ids))}


def _bad_fields(states: Mapping[int, AccountState]) -> list[tuple[int, str, str]]:
    """Profile fields that cannot be sent: account, code and which they are, once per account and cause (R32)."""
    return [
        (account_id, code, "; ".join(f"{p.lms_field} {p.detail}" for p in problems))
        for account_id, state in states.items()
        for code in FIELD_CODES
        if state.wanted and (problems := [p for p in state.wanted.skipped if p.code == code])
    ]


def _decision(state: PlacementState, settings_version: int) -> str:
    conditions = [
        {"condition": f.condition, "required": f.required, "holds": f.holds, "value": f.value} for f in state.conditions
    ]
    return json.dumps({"settings_version": settings_version, "conditions": conditions})


def _freshness(events: Sequence[Event]) -> dict[str, list[Any]]:
    return {
        "sequences": [event.envelope.sequence for event in events],
        "times": [event.envelope.time for event in events],
        "event_ids": [event.envelope.id for event in events],
        "trace_ids": [event.envelope.trace_id for event in events],
    }


def _person(key: str, known: tuple[Any, bool] | None, enrolments: list[CourseEnrolment]) -> PersonFacts:
    if known is None:
        return PersonFacts(key, None, False, tuple(enrolments))
    data, erased = known
    employee = None if erased else Employee.model_validate(data if isinstance(data, dict) else json.loads(data))
    return PersonFacts(key, employee, erased, tuple(enrolments))
