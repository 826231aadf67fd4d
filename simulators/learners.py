"""
Simulated learners: people who finish courses.

    learners = Learners(site)
    learners.complete("E-1001", "C001", grade=92)    # criteria met; `completed` may need the scheduled task
    learners.finish_all(0.3, seed=7)                 # three in ten open enrolments
    site.run_cron()
"""

from __future__ import annotations

import random

from simulators.moodle.progress import do_activity, do_grade, do_self, is_tracked, progress_of
from simulators.moodle.site import MoodleSite
from simulators.moodle.state import Course, User


class Learners:
    """The people of one site, learning."""

    def __init__(self, site: MoodleSite) -> None:
        self._site = site

    def complete(self, user: str | int, course: str | int, grade: float | None = None, at: float | None = None) -> None:
        """Meet all criteria of a course (ids or idnumbers) at a time, now by default; grades in percent of 100."""
        with self._site.lock:
            self._meet(self._user(user), self._course(course), grade, int(self._site.clock() if at is None else at))
            self._site.commit()

    def _meet(self, user: User, course: Course, grade: float | None, at: int) -> None:
        state = self._site.state
        graded = next((activity for activity in course.activities if activity.grade_item), None)
        needed = next((value[0] for kind, *value in course.criteria if kind == "grade"), None)
        reached = grade if grade is not None else needed
        if graded is not None and reached is not None:
            do_grade(state, user.id, course, graded.grade_item, float(reached), at)
        for kind, *value in course.criteria:
            if kind == "activity":
                do_activity(state, user.id, course, value[0], at)
            elif kind == "self":
                do_self(state, user.id, course, at)

    def finish_all(self, fraction: float, seed: int = 0, at: float | None = None) -> list[tuple[str, str]]:
        """Complete a share of the open active enrolments; returns (user idnumber, course idnumber) pairs."""
        chance = random.Random(seed)
        finished = []
        for user, course in self._open():
            if chance.random() < fraction:
                self.complete(user.id, course.id, grade=float(chance.randint(50, 100)), at=at)
                finished.append((user.idnumber, course.idnumber))
        return finished

    def _open(self) -> list[tuple[User, Course]]:
        site, state = self._site, self._site.state
        with site.lock:
            pairs = [(u, c) for c, users in state.participants.items() for u in users]
            now = int(site.clock())
            waiting = [pair for pair in pairs if is_tracked(state, *pair, now) and not self._started(*pair)]
            return [(state.users[u], state.courses[c]) for u, c in waiting if state.courses[c].criteria]

    def _started(self, user_id: int, course_id: int) -> bool:
        progress = progress_of(self._site.state, user_id, course_id)
        return progress.completed is not None or (user_id, course_id) in self._site.state.open_completions

    def _user(self, wanted: str | int) -> User:
        state = self._site.state
        if isinstance(wanted, int):
            return state.users[wanted]
        ids = list(state.by_idnumber.get(wanted, {}))
        if len(ids) != 1:
            raise LookupError(f"{len(ids)} users have the idnumber {wanted!r}")
        return state.users[ids[0]]

    def _course(self, wanted: str | int) -> Course:
        courses = self._site.state.courses
        if isinstance(wanted, int):
            return courses[wanted]
        found = [course for course in courses.values() if course.idnumber == wanted]
        if len(found) != 1:
            raise LookupError(f"{len(found)} courses have the idnumber {wanted!r}")
        return found[0]
