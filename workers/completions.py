"""Completions on record: results, their events and announcements, in the caller's transaction."""

from collections.abc import Iterable, Sequence
from datetime import date

from db.accounts import Entry, Integration, WorkStore
from db.pool import Db
from db.results import ResultStore, ResultSubject
from domain.announcements import assessment_notice, result_recorded
from domain.lms import Completion
from domain.results import Result, decide_result
from runtime.crashpoints import crashpoint


def record_completions(
    db: Db, integration: Integration, completions: Sequence[tuple[ResultSubject, Completion]]
) -> int:
    """
    Each completion is a result, an event and an announcement in the caller's transaction; a known one changes nothing.

    Returns:
        Results recorded or corrected.
    """
    if not completions:
        return 0
    now = WorkStore(db, integration.integration_id).now()
    fresh = [
        (subject, result)
        for subject, completion in _once_each(completions)
        if (result := _result(integration, subject, completion, now.astimezone(integration.settings.zone()).date()))
    ]
    store = ResultStore(db, integration.integration_id)
    store.save(integration.tenant, fresh)
    store.complete(subject.placement_id for subject, _ in completions)
    work = WorkStore(db, integration.integration_id)
    work.write_timeline(
        integration.tenant,
        [
            Entry(subject.employee_key, f"result {result.kind}", subject.enrolment_key, {"outcome": result.outcome})
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
                at=now,
            )
            for subject, result in fresh
            for telling in tellings
        ]
    )
    crashpoint("result.recorded")
    return len(fresh)


def _once_each(
    completions: Iterable[tuple[ResultSubject, Completion]],
) -> Iterable[tuple[ResultSubject, Completion]]:
    """A report may show one participation in several rows (contract, section 8.6)."""
    return {subject.placement_id: (subject, completion) for subject, completion in completions}.values()


def _result(integration: Integration, subject: ResultSubject, completion: Completion, today: date) -> Result | None:
    return decide_result(
        integration_id=integration.integration_id,
        enrolment_key=subject.enrolment_key,
        completion=completion,
        settings=integration.settings.results,
        today=today,
        zone=integration.settings.zone(),
        held=subject.held,
    )
