"""Completions on record: results, their events and announcements, in the caller's transaction."""

from collections.abc import Iterable, Mapping, Sequence

from db.accounts import Entry, Integration, WorkStore
from db.pool import Db
from db.results import Held, ResultStore, ResultSubject
from domain.announcements import assessment_notice, result_recorded
from domain.lms import Standing
from domain.results import HeldBack, Result, Rules, decide_result, evidence_of
from domain.unit_results import Shown, found_in
from runtime.crashpoints import crashpoint


def record_completions(db: Db, integration: Integration, shown: Mapping[int, Shown]) -> int:
    """
    All that is completed is a result, an event and an announcement in the caller's transaction, or is held back with
    its reason; what HR has already changes nothing.

    Args:
        shown: What the LMS shows of each enrolment, by placement id.

    Returns:
        Results recorded or corrected.
    """
    if not shown:
        return 0
    store, work = ResultStore(db, integration.integration_id), WorkStore(db, integration.integration_id)
    rules = Rules(integration.integration_id, integration.settings, integration.settings_version, work.now())
    subjects = store.subjects(shown)
    fresh: list[tuple[ResultSubject, Result]] = []
    held: list[Held] = []
    for placement_id, subject in subjects.items():
        for found in found_in(shown[placement_id], subject.terms.codes):
            match decide_result(found, subject.terms, rules):
                case Result() as result:
                    fresh.append((subject, result))
                case HeldBack() as why:
                    held.append(Held(subject, found, why, evidence_of(found, rules)))
    store.save(integration.tenant, fresh)
    _hold(store, work, integration, subjects.values(), held)
    store.note_completed(_completed(shown, held))
    _tell(work, integration, fresh, rules)
    crashpoint("result.recorded")
    return len(fresh)


def _hold(
    store: ResultStore,
    work: WorkStore,
    integration: Integration,
    subjects: Iterable[ResultSubject],
    held: Sequence[Held],
) -> None:
    """Each is on the timeline once (R149)."""
    new = store.hold(integration.tenant, integration.settings_version, held)
    store.let_go_of_held(subjects, held)
    work.write_timeline(
        integration.tenant,
        [
            Entry(
                one.subject.employee_key,
                "completion held",
                one.subject.enrolment_key,
                {"unit": one.found.unit or None, "reason": one.why.reason},
            )
            for one in held
            if (one.subject.enrolment_key, one.found.key) in new
        ],
    )


def _completed(shown: Mapping[int, Shown], held: Sequence[Held]) -> dict[int, bool]:
    """A whole course that is held back is asked for again; by unit, the marks tell when anything moves."""
    waiting = {one.subject.placement_id for one in held}
    return {
        placement_id: seen.completed if isinstance(seen, Standing) else placement_id not in waiting
        for placement_id, seen in shown.items()
    }


def _tell(
    work: WorkStore, integration: Integration, fresh: Sequence[tuple[ResultSubject, Result]], rules: Rules
) -> None:
    work.write_timeline(
        integration.tenant,
        [
            Entry(
                subject.employee_key,
                f"result {result.kind}",
                subject.enrolment_key,
                {"outcome": result.outcome} | ({"unit": result.unit_code} if result.unit_code else {}),
            )
            for subject, result in fresh
        ],
    )
    tellings = [result_recorded]
    if "assessment_notices" in integration.settings.features:
        tellings.append(assessment_notice)
    work.announce(
        [
            telling(
                result,
                tenant=integration.tenant,
                integration=integration.name,
                employee_key=subject.employee_key,
                enrolment_key=subject.enrolment_key,
                course_code=subject.course_code,
                at=rules.now,
                trace_id=subject.trace_id,
            )
            for subject, result in fresh
            for telling in tellings
        ]
    )
