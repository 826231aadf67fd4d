"""Results taken out, and held against the LMS and what HR has been told."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO

from db.configuration import IntegrationRow, integrations
from db.pool import Db, Pool, transaction
from db.result_views import HeldLine, Readable, ResultFilter, ResultLine, ResultViews, ToldLine
from db.results import ResultStore
from domain.errors import HoldIntegration, LmsThrottled, LmsUnavailable
from domain.integration import IntegrationSettings
from domain.lms import Failed, Pair
from domain.reconciliation import differences
from domain.results import Rules
from domain.unit_results import Shown
from lms.look_ups import completed_of
from lms.read_only import ReadOnly
from ops.actions import NotFound, Refused
from ops.exports import Format, Row, export
from ops.lms_access import reading
from ops.operators import Operator, audited
from runtime.settings import Settings

AT_ONCE = 25
MOST_OF_ONE = 10_000
EXPORT = "results:result:export"
RECONCILE = "results:result:reconcile"

COLUMNS = (
    "tenant",
    "integration",
    "enrolment_key",
    "employee_key",
    "course_code",
    "unit_code",
    "unit_title",
    "outcome",
    "outcome_label",
    "passed",
    "grade",
    "completed_at",
    "attempted_on",
    "synced_at",
    "delivered_at",
    "stamp",
    "result_id",
)


@dataclass(frozen=True, slots=True)
class ResultsOfEnrolment:
    """What one enrolment's results rest on, what HR was told and when, and what is held back."""

    enrolment_key: str
    results: Sequence[ResultLine]
    history: Sequence[ToldLine]
    held: Sequence[HeldLine]


@dataclass(frozen=True, slots=True)
class Deviation:
    """One thing that differs, and where."""

    integration: str
    enrolment_key: str
    employee_key: str
    course_code: str
    unit_code: str
    what: str
    detail: str


@dataclass(slots=True)
class Reconciled:
    """
    What came of a comparison.

    Attributes:
        looked_at: Enrolments that the LMS was asked about; left_out: others of the selection that it was not.
    """

    looked_at: int = 0
    left_out: int = 0
    deviations: list[Deviation] = field(default_factory=list)


def export_results(
    pool: Pool, file: str | IO[bytes], chosen: ResultFilter, kind: Format, *, by: Operator, most: int | None = None
) -> int:
    """
    The file holds all of these results, the newest first; who took them out is on record. Answers with how many.

    Raises:
        Refused: There are more than `most`; nothing is on record then.
    """
    tenant = chosen.tenant or by.tenant
    by.check(EXPORT, tenant)
    with transaction(pool) as db:
        rows = ([getattr(line, name) for name in COLUMNS] for line in ResultViews(db).all_results(chosen))
        count = export(file, COLUMNS, _at_most(most, rows), kind)
        audited(db, by, EXPORT, f"results/{kind}", tenant=tenant, after={"results": count})
    return count


def _at_most(most: int | None, rows: Iterable[Row]) -> Iterator[Row]:
    for count, row in enumerate(rows, 1):
        if most is not None and count > most:
            raise Refused(f"more than {most:,} results match: choose fewer, by course, integration or days")
        yield row


def enrolment_results(pool: Pool, tenant: str | None, enrolment_key: str) -> ResultsOfEnrolment:
    """
    Raises:
        NotFound: The enrolment has no results, or more than one client company knows its key.
    """
    chosen = ResultFilter(tenant=tenant, enrolment=enrolment_key)
    with transaction(pool) as db:
        views = ResultViews(db)
        lines, held = views.results(chosen, MOST_OF_ONE), views.held(chosen, MOST_OF_ONE)
        history = views.history(lines)
    if not lines and not held:
        raise NotFound(f"the enrolment {enrolment_key} has no results; `matricula why {enrolment_key}` says more")
    if len({line.tenant for line in lines} | {line.tenant for line in held}) > 1:
        raise NotFound(f"several client companies know the key {enrolment_key}; add --tenant")
    return ResultsOfEnrolment(enrolment_key, lines, history, held)


def reachable(pool: Pool, tenant: str | None, name: str | None) -> list[IntegrationRow]:
    """
    The integrations of this name, or all, that may be called now.

    Raises:
        NotFound: None matches.
        Refused: None of those that match is active; a paused one is not called at all (R161).
    """
    with transaction(pool) as db:
        rows = integrations(db, tenant, name)
    if not rows:
        raise NotFound("no integration matches; see `matricula integration list`")
    active = [row for row in rows if row.state == "active"]
    if not active:
        raise Refused(f"{rows[0].name} is {rows[0].state}, so its LMS is not called; see `matricula status`")
    return active


def reconcile(
    pool: Pool,
    settings: Settings,
    integrations: Sequence[IntegrationRow],
    chosen: ResultFilter,
    *,
    most: int,
    on_look: Callable[[int, int], None] = lambda _done, _all: None,
) -> Reconciled:
    """
    The LMS, our results and what HR was told are compared, enrolment by enrolment; one call of the LMS each.

    Raises:
        ProvisioningError: The LMS as a whole could not be asked.
    """
    done = Reconciled()
    for row in integrations:
        with transaction(pool) as db:
            found = ResultViews(db).readable(row.integration_id, chosen, most)
        done.left_out += (found[0].all_of_them if found else 0) - len(found)
        with reading(settings, row) as gateway:
            for at in range(0, len(found), AT_ONCE):
                done.deviations += _compare(pool, row, gateway, found[at : at + AT_ONCE])
                done.looked_at += len(found[at : at + AT_ONCE])
                on_look(done.looked_at, len(found))
    with transaction(pool) as db:
        done.deviations += [_undelivered(line) for line in ResultViews(db).undelivered(chosen, most)]
    return done


def _compare(pool: Pool, row: IntegrationRow, gateway: ReadOnly, found: Sequence[Readable]) -> list[Deviation]:
    chosen = IntegrationSettings.model_validate(row.settings)
    pairs = [Pair(one.lms_user_id, one.lms_course_id) for one in found]
    outcomes = completed_of(gateway, pairs, by_unit=chosen.by_unit())
    shown: dict[int, Shown | None] = {}
    told: list[Deviation] = []
    for one, outcome in zip(found, outcomes, strict=True):
        if isinstance(outcome, Failed):
            if isinstance(outcome.failure, HoldIntegration | LmsUnavailable | LmsThrottled):
                raise outcome.failure
            told.append(_deviation(row, one, "", "could not be read", outcome.failure.code))
        else:
            shown[one.placement_id] = outcome.value
    with transaction(pool) as db:
        return told + _differences(db, row, chosen, [one for one in found if one.placement_id in shown], shown)


def _differences(
    db: Db,
    row: IntegrationRow,
    chosen: IntegrationSettings,
    found: Sequence[Readable],
    shown: dict[int, Shown | None],
) -> list[Deviation]:
    subjects = ResultStore(db, row.integration_id).subjects(shown)
    rules = Rules(row.integration_id, chosen, row.settings_version, ResultViews(db).now())
    return [
        _deviation(row, one, difference.unit, difference.what, difference.detail)
        for one in found
        for difference in differences(shown[one.placement_id], subjects[one.placement_id].terms, rules)
    ]


def _deviation(row: IntegrationRow, one: Readable, unit: str, what: str, detail: str) -> Deviation:
    return Deviation(row.name, one.enrolment_key, one.employee_key, one.course_code, unit, what, detail)


def _undelivered(line: ResultLine) -> Deviation:
    why = "no queue is bound to lms.results" if line.problem == "unroutable" else "waits for the broker"
    return Deviation(
        line.integration, line.enrolment_key, line.employee_key, line.course_code, line.unit_code, "not delivered", why
    )
