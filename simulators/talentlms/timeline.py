"""
What happened on the portal, as its timeline tells it: by type of event, newest first, the latest 200.

Entries stand in the order in which they were entered. Content, documents, videos and SCORM leave none.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from simulators.talentlms.calls import Call, action
from simulators.talentlms.errors import PortalError
from simulators.talentlms.state import Course, Event, Group, State, Unit, User
from simulators.talentlms.texts import escaped, moment

LATEST = 200
FILTERS = ("user_id", "course_id", "branch_id", "group_id", "unit_id")
MESSAGES = {
    "user_register_user": "{user} was registered",
    "user_delete_user": "{user} was deleted",
    "user_undelete_user": "{user} was undeleted",
    "user_property_change": "Properties of {user} were changed",
    "course_add_user": "{user} was enrolled in the course {object}",
    "course_remove_user": "{user} was removed from the course {object}",
    "course_completion": "{user} completed the course {object}",
    "course_failure": "{user} failed the course {object}",
    "course_reset_user_progress": "The progress of {user} in the course {object} was reset",
    "group_add_user": "{user} was added to the group {object}",
    "unitprogress_test_completion": "{user} passed the test {object}",
    "unitprogress_test_failed": "{user} failed the test {object}",
    "unitprogress_survey_completion": "{user} completed the survey {object}",
    "unitprogress_assignment_answered": "{user} answered the assignment {object}",
    "unitprogress_assignment_graded": "The assignment {object} of {user} was graded",
    "unitprogress_ilt_graded": "The session {object} of {user} was graded",
}


def enter(
    state: State, event: str, user: User, at: float, course: Course | None = None, about: Unit | Group | None = None
) -> None:
    """Put an event of a person on the timeline; it is about a unit or a group, else about the course."""
    number = state.ids.next("event")
    kind = "group_id" if isinstance(about, Group) else "unit_id"
    places = {"": 0, "user_id": user.id}
    places |= ({"course_id": course.id} if course else {}) | ({kind: about.id} if about else {})
    for name, value in places.items():
        entries = state.timeline.setdefault((event, name, value), {})
        state.journal.put(entries, number, Event(event, user, at, course, about))


@action("gettimeline")
def get_timeline(call: Call) -> list[dict[str, Any]]:
    """The latest events of a type, of the whole portal or of one thing."""
    event = call.text("event_type")
    asked = [name for name in FILTERS if name in call.args]
    if len(asked) > 1:
        raise PortalError("arguments")
    place = (asked[0], call.number(asked[0])) if asked else ("", 0)
    latest = list(islice(reversed(call.state.timeline.get((event, *place), {}).values()), LATEST))
    call.cost(len(latest))
    return [_row(call, event) for event in latest]


def _row(call: Call, event: Event) -> dict[str, Any]:
    user = event.user
    first, second = (event.about, event.course) if event.about else (event.course, None)
    message = MESSAGES[event.type].format(user=user.short_name, object=first.name if first else "")
    row = {"action": event.type, "message": escaped(message), "timestamp": moment(call.settings, event.at)}
    row |= {"unix_timestamp": str(int(event.at)), "user_id": str(user.id), "user_username": user.login}
    row |= {"user_email": user.email, "user_fullname": escaped(user.short_name)}
    return {**row, **_named("object", first), **_named("secondary_object", second), "event_counter": "1"}


def _named(name: str, thing: Any) -> dict[str, str]:
    """The id and the name of a thing, a dash each when there is none."""
    if thing is None:
        return {f"{name}_id": "-", f"{name}_name": "-"}
    return {f"{name}_id": str(thing.id), f"{name}_name": escaped(thing.name)}
