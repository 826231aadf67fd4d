"""Calls that prove a right and leave nothing behind, for the self-check."""

from collections.abc import Sequence
from contextlib import suppress

from domain.errors import NeedsAttention, ProvisioningError
from domain.lms import Failed, LmsEnrolment, UserChange
from lms import moodle_answers as shapes
from lms.batches import MAX_ITEMS
from lms.moodle import CREATE_USERS, GET_USERS_BY_FIELD, MoodleGateway
from lms.moodle_answers import UserRecord
from lms.moodle_calls import numbered

GET_COURSES_BY_FIELD = "core_course_get_courses_by_field"
MANUAL = "manual"
# No site has as many users, so what is done to this one is done to nobody.
NOBODY = "999999999999999"
# Refused twice over: every Moodle has a guest, and this is no address. The right is looked at before both.
IMPOSSIBLE_USER = {"username": "guest", "firstname": "Self", "lastname": "Check", "email": "no address"}


class MoodleProbe(MoodleGateway):
    """The gateway, and what only a self-check asks."""

    def records(self, user_ids: Sequence[str]) -> list[UserRecord]:
        """These users as the token may see them; those it may not see, or that are not there, are missing."""
        fields = {"field": "id"} | {f"values[{place}]": user_id for place, user_id in enumerate(user_ids)}
        return self._ask(GET_USERS_BY_FIELD, fields, shapes.USERS, len(user_ids))

    def try_to_create(self) -> None:
        """Raises a ProvisioningError unless users may be created; none is."""
        user = IMPOSSIBLE_USER | {"createpassword": "1"}
        with suppress(NeedsAttention):
            self._ask(CREATE_USERS, numbered("users", [user]), shapes.CREATED)

    def try_to_update(self) -> None:
        """Raises a ProvisioningError unless users may be updated; none is."""
        (outcome,) = self.update_users([UserChange(NOBODY, {"suspended": False})])
        _raise_unless(outcome, {"user_gone"})

    def try_to_enrol(self, course_id: str, role: str) -> None:
        """Raises a ProvisioningError unless somebody may be enrolled with this role; nobody is."""
        nobody = LmsEnrolment(NOBODY, course_id, role, None, None, suspended=True)
        (outcome,) = self.enrol([nobody])
        # Right and role are looked at before the course's method and the user.
        _raise_unless(outcome, {"user_gone", "no_manual_enrolment"})

    def try_to_read_grades(self, course_id: str, user_id: str) -> None:
        """Raises a ProvisioningError unless grades may be read."""
        self._grade_items(course_id, user_id)

    def courses_with_manual_enrolment(self, course_ids: Sequence[str]) -> set[str]:
        """Those of the courses that take manual enrolments (contract, section 4.5)."""
        found: set[str] = set()
        for start in range(0, len(course_ids), MAX_ITEMS):
            some = course_ids[start : start + MAX_ITEMS]
            answer = self._ask(GET_COURSES_BY_FIELD, {"field": "ids", "value": ",".join(some)}, shapes.LISTED_COURSES)
            found |= {str(course.id) for course in answer.courses if MANUAL in course.enrollmentmethods}
        return found


def _raise_unless(outcome: object, expected: set[str]) -> None:
    failure: ProvisioningError | None = outcome.failure if isinstance(outcome, Failed) else None
    if failure is not None and failure.code not in expected:
        raise failure
